"""Appends events for a command, beside servers that may run on the same database."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select

from linecert_service.domain.clock import Clock, ClockGuard
from linecert_service.domain.events import NewEvent
from linecert_service.store.append import Attempt, append
from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for, unavailable
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.epochs import note_signer
from linecert_service.store.growth import MICROSECONDS
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import proving
from linecert_service.store.schema import LOG_HEAD
from linecert_service.store.service import LogIdentity

PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 1.0, 1.0, 1.0)
"""Seconds between attempts while the database cannot write: a server may hold the lock."""


class EventLog:
    """The log, as of a command that adds to it; made by `open_event_log`.

    Args:
        backend: the database.
        issuers: the store's numbers for issuers.
        checkpoints: signed after each event.
        guard: the wall clock, as far as it may be trusted.
    """

    def __init__(self, backend: Backend, issuers: Issuers, checkpoints: Checkpoints, guard: ClockGuard) -> None:
        self._backend = backend
        self._issuers = issuers
        self._checkpoints = checkpoints
        self._guard = guard

    def record(self, event: NewEvent) -> None:
        """Append an event, and sign the log with it: when this returns, both are on disk.

        Raises:
            ConfigurationError: it cannot be recorded; the message says why.
            Refused: CLOCK_UNTRUSTED.
        """
        attempt = Attempt()
        with unavailable(self._backend), proving():
            for pause in PAUSES:
                try:
                    self._try(event, attempt)
                except Exception as error:
                    if not self._backend.is_transient(error):
                        raise
                    self._backend.disconnect()
                    time.sleep(pause)
                else:
                    return
            self._try(event, attempt)

    def _try(self, event: NewEvent, attempt: Attempt) -> None:
        with contextlib.closing(self._backend.writer()) as writer:
            # An attempt that was made, and whose checkpoint failed, finds its event and adds none.
            append(writer, self._issuers, [event], self._guard.now(), attempt=attempt)
        self._checkpoints.close()


@contextlib.contextmanager
def open_event_log(url: str, log: LogIdentity, clock: Clock) -> Iterator[EventLog]:
    """Open the store at `url`, and prove that it holds the log that this installation remembers.

    Args:
        url: of the database; a SQLite file that is not there is made.
        log: what it is signed with.
        clock: the time.

    Raises:
        ConfigurationError: the database does not answer, has another schema, or holds another log.
    """
    guard = ClockGuard(clock)
    with contextlib.closing(backend_for(url)) as backend:
        with unavailable(backend), proving():
            backend.prepare()
            with backend.engine.begin() as connection:
                guard.saw((connection.scalar(select(LOG_HEAD.c.last_at)) or 0) / MICROSECONDS)
                signer = note_signer(connection, log.name, log.key)
            issuers = Issuers(backend.engine)
            issuers.read()
            checkpoints = Checkpoints(
                backend.engine, issuers, signer=signer, guard=log.guard, published=log.published, clock=clock
            )
            checkpoints.read()
            checkpoints.prove()
        yield EventLog(backend, issuers, checkpoints, guard)
