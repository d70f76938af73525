"""The thread that appends: it gathers what is submitted while a transaction runs, and makes the next one of it.

What it was given is recorded or refused, whatever happens to the caller. While the store cannot write, the same
entries are tried again until it can, or until the service ends.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import OnRecorded, Outcome
from linecert_service.domain.requests import SignedCertificate
from linecert_service.store.answers import recorded_of
from linecert_service.store.append import Entry, append
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.issuers import Issuers

MAX_ENTRIES: Final = 256
"""At which size a transaction takes no further submission."""

RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts while the store cannot write; the last one repeats."""

_NOT_NOW: Final = "the audit store cannot record now; send again with the same request_id"


class Watcher(Protocol):
    """Is told how the store does, from the committer's thread."""

    def committed(self, seconds: float, size: int) -> None:
        """A transaction took `seconds`; the log has `size` leaves."""

    def failed(self, error: Exception, *, transient: bool) -> None:
        """A transaction failed; a transient failure is tried again."""

    def checkpoint_failed(self, error: Exception) -> None:
        """A checkpoint could not be signed, stored or published; it is tried again a second later."""

    def ended(self, unrecorded: int) -> None:
        """The service ends, with this many signed certificates that could not be recorded."""


@dataclass(frozen=True, slots=True)
class _Submission:
    entries: Sequence[Entry]
    on_recorded: OnRecorded


def _ignore(_outcomes: Sequence[Outcome]) -> None:
    """What an event is answered."""


class Committer:
    """Appends in a thread of its own; see `domain.ports.Recorder`.

    Args:
        backend: the database.
        issuers: the store's numbers for issuers.
        checkpoints: signed when the log has grown.
        clock: the time.
        watcher: told how the store does.
    """

    def __init__(
        self, backend: Backend, issuers: Issuers, checkpoints: Checkpoints, clock: Clock, watcher: Watcher
    ) -> None:
        self._backend = backend
        self._issuers = issuers
        self._checkpoints = checkpoints
        self._clock = clock
        self._watcher = watcher
        self._queue: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="committer")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: Writer | None = None
        self._size = -1

    def start(self) -> None:
        """Begin to append; outcomes are delivered in the event loop that this is called in."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, signed: Sequence[SignedCertificate], on_recorded: OnRecorded) -> None:
        """Take over certificates."""
        self._queue.put(_Submission(signed, on_recorded))

    def record(self, event: NewEvent) -> None:
        """Take over an event."""
        self._queue.put(_Submission([event], _ignore))

    async def close(self, patience: float) -> None:
        """Record what was submitted, and end.

        Args:
            patience: seconds after which it no longer waits for a store that cannot write.
        """
        self._queue.put(None)
        timer = threading.Timer(patience, self._giving_up.set)
        timer.start()
        await asyncio.to_thread(self._thread.join)
        timer.cancel()

    def _run(self) -> None:
        ending = False
        while not ending:
            burst, ending = self._gather()
            if burst:
                self._settle(burst)
            if self._checkpoints.wait(self._size) == 0.0:
                self._checkpoint(self._checkpoints.sign)
        self._checkpoint(self._checkpoints.close)
        self._drop_writer()

    def _gather(self) -> tuple[list[_Submission], bool]:
        """What has been submitted, as far as it fits in a transaction; and whether that was the last."""
        burst: list[_Submission] = []
        entries = 0
        timeout = self._checkpoints.wait(self._size) if self._size >= 0 else None
        try:
            submission = self._queue.get(timeout=timeout)
            while submission is not None:
                burst.append(submission)
                entries += len(submission.entries)
                if entries >= MAX_ENTRIES:
                    return burst, False
                submission = self._queue.get_nowait()
        except queue.Empty:
            return burst, False
        return burst, True

    def _settle(self, burst: Sequence[_Submission]) -> None:
        outcomes = self._append([entry for submission in burst for entry in submission.entries])
        deliveries: list[tuple[OnRecorded, Sequence[Outcome]]] = []
        at = 0
        for submission in burst:
            count = sum(isinstance(entry, SignedCertificate) for entry in submission.entries)
            deliveries.append((submission.on_recorded, outcomes[at : at + count]))
            at += count
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_deliver, deliveries)

    def _append(self, entries: Sequence[Entry]) -> list[Outcome]:
        attempt = 0
        while True:
            try:
                return self._attempt(entries)
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers are answered and the thread goes on
                self._drop_writer()
                transient = self._backend.is_transient(error)
                self._watcher.failed(error, transient=transient)
                if not transient:
                    return self._append_apart(entries, error)
            pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
            attempt += 1
            if self._giving_up.wait(pause):
                return self._give_up(entries)

    def _attempt(self, entries: Sequence[Entry]) -> list[Outcome]:
        started = self._clock.monotonic()
        if self._writer is None:
            self._writer = self._backend.writer()
        appended = append(self._writer, self._issuers, entries, self._clock.time())
        self._size = appended.head.size
        self._watcher.committed(self._clock.monotonic() - started, self._size)
        return [
            outcome if isinstance(outcome, Refused) else recorded_of(outcome, self._issuers)
            for outcome in appended.outcomes
        ]

    def _append_apart(self, entries: Sequence[Entry], error: Exception) -> list[Outcome]:
        """One by one, so that an entry which the database refuses does not take others with it."""
        if len(entries) > 1:
            return [outcome for entry in entries for outcome in self._append([entry])]
        refused = StoreUnavailable(_NOT_NOW)
        refused.__cause__ = error
        return [refused for entry in entries if isinstance(entry, SignedCertificate)]

    def _give_up(self, entries: Sequence[Entry]) -> list[Outcome]:
        unrecorded = [entry for entry in entries if isinstance(entry, SignedCertificate)]
        self._watcher.ended(len(unrecorded))
        return [StoreUnavailable(_NOT_NOW) for _ in unrecorded]

    def _checkpoint(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - a checkpoint that is late is not a certificate that is lost
            self._watcher.checkpoint_failed(error)

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _deliver(deliveries: Sequence[tuple[OnRecorded, Sequence[Outcome]]]) -> None:
    for on_recorded, outcomes in deliveries:
        on_recorded(outcomes)
