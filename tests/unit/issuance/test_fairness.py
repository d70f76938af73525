"""One greedy station does not starve the others: counted in bursts and in requests, with real keys and CSRs."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.domain.requests import Claim
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.pipeline import HANDED_AHEAD, LOOK_UPS, MAX_BURST, Job, Pipeline
from linecert_service.issuance.planning import Planner
from linecert_service.policy.limits import Limits
from support.claims import NOW, request_id
from support.doubles import FakeClock, FakeLedger, FakeRecorder, NullMeter
from support.issuing import ca_key, caller, issuer, profile, request
from support.waiting import until

FLOOD = 5 * MAX_BURST


class CountingMeter(NullMeter):
    """Counts bursts."""

    def __init__(self) -> None:
        self.bursts: list[int] = []

    def burst_taken(self, size: int) -> None:
        """One more."""
        self.bursts.append(size)


class CountingLedger(FakeLedger):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = 0

    async def verdicts(self, claims: Sequence[Claim], now: float) -> Sequence[Outcome | None]:
        """Nothing stands."""
        self.claims += len(claims)
        return await super().verdicts(claims, now)


class Line:
    """A pipeline that several stations use, and the order in which they are served."""

    def __init__(self, kind: str = "P-256") -> None:
        self.clock, self.meter = FakeClock(NOW), CountingMeter()
        self.recorder, self.ledger = FakeRecorder(), CountingLedger()
        self.issuer = issuer(kind)
        self.pipeline = Pipeline(
            Planner(CsrChecker(), {"device": profile(self.issuer)}),
            ledger=self.ledger,
            recorder=self.recorder,
            limits=Limits(self.clock, {}.get),
            clock=self.clock,
            guard=ClockGuard(self.clock),
            meter=self.meter,
        )
        self._numbers = iter(range(1_000_000))

    def submit(self, station: str, **changes: Any) -> Job:
        """One request of a station."""
        number = next(self._numbers)
        entry = changes.pop("entry", {})
        asked = request(f"{station}-{number}", request_id=request_id(number), **changes)
        job = Job(asked, caller(name=station, **entry), self.clock.monotonic() + 30)
        self.pipeline.submit(job)
        return job

    def served(self) -> list[str]:
        """Whose certificates were handed over to the log, in order."""
        return [signed.claim.station for signed in self.recorder.recorded]

    async def until_served(self, count: int) -> None:
        """Wait until so many certificates were handed over to the log."""
        await until(lambda: len(self.recorder.recorded) >= count)


async def test_request_among_a_flood_is_in_the_next_burst() -> None:
    """However many requests of another station came before it."""
    line = Line()
    flood = [line.submit("flooder") for _ in range(FLOOD)]
    await line.until_served(1)
    before = len(line.meter.bursts)
    modest = line.submit("modest")
    assert isinstance(await modest.answer, Recorded)
    assert len(line.meter.bursts) - before == 1
    await asyncio.gather(*(job.answer for job in flood))


async def test_station_that_asks_for_one_at_a_time_gets_each_in_the_next_burst() -> None:
    """While another one floods without end: every call of the first succeeds, and waits for a single burst."""
    line = Line()
    flood = [line.submit("flooder") for _ in range(FLOOD)]
    for _ in range(10):
        before = len(line.meter.bursts)
        modest = line.submit("modest")
        flood += [line.submit("flooder") for _ in range(MAX_BURST)]
        assert isinstance(await modest.answer, Recorded)
        assert len(line.meter.bursts) - before == 1
    waiting = sum(not job.answer.done() for job in flood)
    assert waiting > MAX_BURST, "the flood had dried up before the test was over"
    await asyncio.gather(*(job.answer for job in flood))


async def test_stations_that_all_flood_share_each_burst() -> None:
    """Four of them get a quarter each, whoever came first."""
    line = Line()
    stations = [f"station-{number}" for number in range(4)]
    jobs = [line.submit(station) for station in stations for _ in range(MAX_BURST)]
    await asyncio.gather(*(job.answer for job in jobs))
    first = line.served()[:MAX_BURST]
    assert {station: first.count(station) for station in stations} == dict.fromkeys(stations, MAX_BURST // 4)


async def test_order_within_a_station_is_kept() -> None:
    """Its requests are recorded in the order in which they came."""
    line = Line()
    jobs = [line.submit(f"station-{number % 3}") for number in range(2 * MAX_BURST)]
    await asyncio.gather(*(job.answer for job in jobs))
    for station in {job.station for job in jobs}:
        asked = [job.request.request_id for job in jobs if job.station == station]
        served = [signed.claim.request_id for signed in line.recorder.recorded if signed.claim.station == station]
        assert served == asked


class SlowKey:
    """A CA key that signs when the test says so.

    Attributes:
        begun: what threads came to have signed, in order.
    """

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        key = ca_key("RSA-2048")
        assert isinstance(key, RSAPrivateKey)
        self._key = key
        self._turns = threading.Semaphore(0)

    def let(self, count: int) -> None:
        """Let so many signatures be made."""
        self._turns.release(count)

    def sign(self, tbs: bytes) -> bytes:
        """Sign, in its turn."""
        self.begun.append(tbs)
        assert self._turns.acquire(timeout=60)
        return self._key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())


async def test_pool_is_handed_little_more_than_it_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a thread takes turns: a late request passes all of a flood but the few that were handed over."""
    line, key = Line("RSA-2048"), SlowKey()
    workers = line.issuer.signer.workers
    monkeypatch.setattr(Issuer, "sign", lambda _issuer, tbs: key.sign(tbs))
    flood = [line.submit("flooder") for _ in range(FLOOD)]
    key.let(1)
    await line.until_served(1)
    modest = line.submit("modest")
    await until(lambda: line.ledger.claims == FLOOD + 1)
    key.let(FLOOD)
    await asyncio.gather(modest.answer, *(job.answer for job in flood))
    place = next(place for place, tbs in enumerate(key.begun) if b"modest" in tbs)
    # One is done, some are handed over, and of the flood one more may have its turn before. Threads that begin at one
    # moment may be listed in any order.
    assert place <= 1 + (workers + HANDED_AHEAD) + 1 + workers
    await line.pipeline.drain()


async def test_look_ups_are_shared_as_well() -> None:
    """Requests that break a rule, in a flood, do not hold up the look-up of another station's."""
    line = Line()
    gate = asyncio.Event()
    asked: list[list[str]] = []

    async def replays(claims: Sequence[Claim], _now: float) -> Sequence[Recorded | None]:
        asked.append([claim.station for claim in claims])
        await gate.wait()
        return [None] * len(claims)

    line.ledger.replays = replays  # type: ignore[method-assign]
    nothing = {"profiles": (), "default_profile": None}
    jobs = [line.submit("flooder", entry=nothing) for _ in range(FLOOD)]
    await until(lambda: len(asked) == LOOK_UPS)
    jobs.append(line.submit("modest", entry=nothing))
    await until(lambda: sum(line.meter.bursts) == len(jobs))
    assert len(asked) == LOOK_UPS
    gate.set()
    await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
    assert "modest" in asked[LOOK_UPS]
