"""Doubles of the ports, written by hand."""

import time
from collections.abc import Sequence

from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import OnRecorded, Outcome
from linecert_service.domain.records import Issued, Recorded
from linecert_service.domain.requests import Claim, SignedCertificate
from support.claims import record


class FakeClock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.elapsed = 1_000.0

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.elapsed

    def pass_by(self, seconds: float) -> None:
        """Let time go on."""
        self.now += seconds
        self.elapsed += seconds


class RunningClock:
    """A clock that starts at a time of the test's choice, and goes."""

    def __init__(self, now: float) -> None:
        self._offset = now - time.monotonic()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._offset

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class NullMeter:
    """Takes what it is told."""

    def stage_done(self, stage: str, seconds: float) -> None:
        """Nothing."""

    def burst_taken(self, size: int) -> None:
        """Nothing."""

    def signature_requested(self, outcome: str) -> None:
        """Nothing."""


class FakeRecorder:
    """Records in memory; answers when the test says so, or at once."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.recorded: list[SignedCertificate] = []
        self._waiting: list[tuple[Sequence[SignedCertificate], OnRecorded]] = []
        self.bursts: list[int] = []
        self.events: list[NewEvent] = []

    def submit(self, signed: Sequence[SignedCertificate], on_recorded: OnRecorded) -> None:
        """Take over certificates."""
        self.recorded += signed
        self.bursts.append(len(signed))
        self._waiting.append((signed, on_recorded))
        if self.at_once:
            self.answer()

    def record(self, event: NewEvent) -> None:
        """Take over an event."""
        self.events.append(event)

    def answer(self) -> None:
        """Answer all that waits."""
        waiting, self._waiting = self._waiting, []
        for signed, on_recorded in waiting:
            on_recorded([issued(entry) for entry in signed])


class FakeLedger:
    """Knows what a test tells it."""

    def __init__(self, standing: Outcome | None = None, error: Exception | None = None) -> None:
        self.standing = standing
        self.error = error
        self.asked = 0

    async def replays(self, claims: Sequence[Claim], _now: float) -> Sequence[Recorded | None]:
        """The same for each."""
        self._ask()
        return [self.standing if isinstance(self.standing, Recorded) else None for _ in claims]

    async def verdicts(self, claims: Sequence[Claim], _now: float) -> Sequence[Outcome | None]:
        """The same for each."""
        self._ask()
        return [self.standing for _ in claims]

    def _ask(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


def issued(entry: SignedCertificate, *, replayed: bool = False) -> Recorded:
    """The answer that an append gives."""
    row = record(entry.claim, serial=entry.serial, certificate=entry.certificate)
    return Recorded(Issued(row, None, (b"issuer", b"root")), replayed)
