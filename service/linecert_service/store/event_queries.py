"""Pages of events. See `domain.ports.EventReader`."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select

from linecert_service.domain.ports import EventFilter, EventPage
from linecert_service.domain.records import EventRecord
from linecert_service.store.backend import Backend
from linecert_service.store.readers import Readers
from linecert_service.store.schema import EVENTS
from linecert_service.store.stretch import Stretch, stretch_between

SCAN: Final = 50_000
"""How many events a page looks at, where no index leads to all that is wanted."""

_E: Final = EVENTS.c


class StoreEventReader:
    """Reads events from the store."""

    def __init__(self, backend: Backend, readers: Readers) -> None:
        self._backend = backend
        self._readers = readers

    async def page(self, wanted: EventFilter, before: int | None, size: int) -> EventPage:
        """At most `size` events below the log index `before`, newest first."""
        return await self._readers.run(lambda: self._page(wanted, before, size))

    def _page(self, wanted: EventFilter, before: int | None, size: int) -> EventPage:
        with self._backend.asking() as connection:
            stretch = stretch_between(connection, EVENTS, wanted.start_time, wanted.end_time, before)
            return _read(connection, wanted, stretch, size)


def _read(connection: Connection, wanted: EventFilter, stretch: Stretch, size: int) -> EventPage:
    conditions = list(_conditions(wanted))
    # One condition leads, by its index, unless it names several kinds; the others leave out of what it leads to.
    leading = conditions[:1] if len(wanted.kinds) <= 1 or len(conditions) > 1 else []
    limit = size if leading == conditions else SCAN
    newest_first = _E.log_index.desc()
    led = select(_E.log_index).where(stretch.holds(_E.log_index), *leading).order_by(newest_first).limit(limit)
    query = select(EVENTS).where(_E.log_index.in_(led), *conditions).order_by(newest_first).limit(size)
    events = [EventRecord(*row) for row in connection.execute(query)]
    if len(events) == size:
        return EventPage(events, events[-1].log_index)
    if leading == conditions:
        return EventPage(events, None)
    looked_at = led.subquery().c.log_index
    count, reached = connection.execute(select(func.count(), func.min(looked_at))).one()
    return EventPage(events, reached if count == limit else None)


def _conditions(wanted: EventFilter) -> Iterator[ColumnElement[bool]]:
    """The conditions of a filter, the most selective first."""
    if wanted.registration_key is not None:
        yield _E.registration_key == wanted.registration_key
    if wanted.station is not None:
        yield _E.station == wanted.station
    if wanted.kinds:
        yield _E.kind.in_(wanted.kinds)
