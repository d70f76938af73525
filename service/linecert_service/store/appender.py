"""Appends until it is done: the same entries are tried again while the store cannot write, and none is lost on the way.

What was signed is recorded or refused. A refusal here means that it is not on disk, or that its reply to the COMMIT was
lost and the service ends: nobody has received it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Final, TypeVar

from linecert_service.domain.clock import Clock, ClockGuard
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.ports import Outcome
from linecert_service.domain.requests import SignedCertificate
from linecert_service.domain.work_orders import OrderChange, OrderOutcome
from linecert_service.store.answers import recorded_of
from linecert_service.store.append import Attempt, Entry, append
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.growth import MICROSECONDS, Head
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogInconsistent
from linecert_service.store.watcher import Watcher
from linecert_service.store.work_order_changes import OrderAttempt, change_order

RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts while the store cannot write; the last one repeats."""

_NOT_NOW: Final = "the audit store cannot record now; send the same again"
_NOT_THIS: Final = "the audit store does not take this change, for a reason that the service's log tells"

_T = TypeVar("_T")


class _LastingError(Exception):
    """The database refuses these rows, and will do so again."""


class Appender:
    """Owns the connection that appends. Used by one thread, the committer's.

    Args:
        backend: the database.
        issuers: the store's numbers for issuers.
        checkpoints: proves the log after each connect.
        clock: the time.
        guard: the wall clock's time, if it may be trusted.
        watcher: told how the store does.

    Attributes:
        head: the log as it was left; None before the first append.
        stopped: why nothing more is recorded; None while all is well.
        busy_since: on the clock's `monotonic`, when the append under way began; None when there is none.
    """

    def __init__(
        self,
        backend: Backend,
        issuers: Issuers,
        checkpoints: Checkpoints,
        *,
        clock: Clock,
        guard: ClockGuard,
        watcher: Watcher,
    ) -> None:
        self._backend = backend
        self._issuers = issuers
        self._checkpoints = checkpoints
        self._clock = clock
        self._guard = guard
        self._watcher = watcher
        self._writer: Writer | None = None
        self._giving_up = threading.Event()
        self.head: Head | None = None
        self.stopped: LogInconsistent | None = None
        self.busy_since: float | None = None

    def append(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Append `entries`, however long it takes; an outcome for each that is a certificate, in their order."""
        self.busy_since = self._clock.monotonic()
        try:
            return self._append(entries)
        finally:
            self.busy_since = None

    def change(self, change: OrderChange, actor: str) -> OrderOutcome:
        """Change a work order, however long it takes; `actor` is who asked."""
        self.busy_since = self._clock.monotonic()
        attempt = OrderAttempt()

        def work(writer: Writer, now: float) -> tuple[Head, OrderOutcome]:
            settled = change_order(writer, change, actor, now, seen=self.head, attempt=attempt)
            return settled.head, settled.outcome

        try:
            return self._until_done(work)
        except _LastingError:
            return StoreUnavailable(_NOT_THIS)
        except Refused as refused:
            return refused
        finally:
            self.busy_since = None

    def stop(self, error: LogInconsistent) -> None:
        """Record nothing more."""
        self.stopped = error
        self._watcher.inconsistent(error)

    def give_up(self) -> None:
        """Wait no longer for a store that cannot write. Any thread may call this."""
        self._giving_up.set()

    def close(self) -> None:
        """Give the connection up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _append(self, entries: Sequence[Entry]) -> list[Outcome]:
        attempt = Attempt()

        def work(writer: Writer, now: float) -> tuple[Head, list[Outcome]]:
            appended = append(writer, self._issuers, entries, now, seen=self.head, attempt=attempt)
            # Before the issuers are asked, which may fail: what is appended is seen.
            self.head = appended.head
            return appended.head, [
                outcome if isinstance(outcome, Refused) else recorded_of(outcome, self._issuers)
                for outcome in appended.outcomes
            ]

        try:
            return self._until_done(work)
        except _LastingError:
            if len(entries) > 1:
                # One by one, so that an entry which the database refuses does not take others with it.
                return [outcome for entry in entries for outcome in self._append([entry])]
        except Refused:
            # Given up: it is dropped as well.
            pass
        return self._drop(entries)

    def _until_done(self, work: Callable[[Writer, float], tuple[Head, _T]]) -> _T:
        """Try a transaction until it is made; `work` gets the connection and the time, and gives the log and a result.

        Raises:
            _LastingError: the database refuses it.
            Refused: nothing more is recorded.
        """
        for pause in _pauses():
            if self.stopped or self._giving_up.is_set():
                break
            try:
                return self._try(work)
            except LogInconsistent as error:
                self.stop(error)
                break
            except Exception as error:
                self.close()
                self._backend.disconnect()
                transient = isinstance(error, Refused) or self._backend.is_transient(error)
                self._watcher.failed(error, transient=transient)
                if not transient:
                    raise _LastingError from error
            self._giving_up.wait(pause)
        raise self.stopped or StoreUnavailable(_NOT_NOW)

    def _try(self, work: Callable[[Writer, float], tuple[Head, _T]]) -> _T:
        started = self._clock.monotonic()
        now = self._guard.now()
        if self._writer is None:
            self._writer = self._backend.writer()
            self._checkpoints.prove()
        self.head, result = work(self._writer, now)
        self._guard.saw(self.head.last_at / MICROSECONDS)
        self._watcher.committed(self._clock.monotonic() - started, self.head.size)
        return result

    def _drop(self, entries: Sequence[Entry]) -> list[Outcome]:
        dropped = [entry for entry in entries if isinstance(entry, SignedCertificate)]
        if dropped:
            self._watcher.dropped([entry.serial for entry in dropped])
        return [self.stopped or StoreUnavailable(_NOT_NOW) for _ in dropped]


def _pauses() -> Iterator[float]:
    return chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1]))
