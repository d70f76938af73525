"""What the log says of profiles, and what is added to it. See `domain.ports.ProfileLog`."""

import contextlib
from collections.abc import Callable, Sequence

from sqlalchemy import select

from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.events import ISSUER_SWITCHED, PROFILE_CHANGED, NewEvent
from linecert_service.domain.records import EventRecord
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.growth import Growth
from linecert_service.store.readers import Readers
from linecert_service.store.schema import EVENTS


class StoreProfileLog:
    """Compares and records in one transaction, so that of several servers one records a change, and once.

    Args:
        backend: the database.
        readers: the threads that this runs in.
        clock: the time, as far as it may be trusted.
    """

    def __init__(self, backend: Backend, readers: Readers, clock: ClockGuard) -> None:
        self._backend = backend
        self._readers = readers
        self._clock = clock

    async def tell(self, changes: Callable[[Sequence[EventRecord]], Sequence[NewEvent]]) -> Sequence[NewEvent]:
        """Record what `changes` makes of the events of profiles, oldest first; returns what was recorded.

        Raises:
            StoreUnavailable: the store does not answer; nothing is recorded then, or the reply was lost.
            Refused: CLOCK_UNTRUSTED.
        """
        return await self._readers.run(lambda: self._tell(changes))

    def _tell(self, changes: Callable[[Sequence[EventRecord]], Sequence[NewEvent]]) -> Sequence[NewEvent]:
        # Without the lock first: mostly there is nothing to be told.
        if not changes(self._told()):
            return ()
        with contextlib.closing(self._backend.writer()) as writer:
            return self._record(writer, changes)

    def _record(
        self, writer: Writer, changes: Callable[[Sequence[EventRecord]], Sequence[NewEvent]]
    ) -> Sequence[NewEvent]:
        try:
            growth = Growth.begin(writer)
            # The lock is held: what another connection reads now is the newest that there is.
            events = changes(self._told())
            if not events:
                writer.rollback()
                return ()
            growth.date(self._clock.now())
            for event in events:
                growth.add_event(event)
            growth.write(writer)
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        return events

    def _told(self) -> Sequence[EventRecord]:
        query = select(EVENTS).where(EVENTS.c.kind.in_((PROFILE_CHANGED, ISSUER_SWITCHED))).order_by(EVENTS.c.log_index)
        with self._backend.engine.begin() as connection:
            return [EventRecord(*row) for row in connection.execute(query)]
