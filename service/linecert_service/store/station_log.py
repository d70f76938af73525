"""What the log says of stations. See `domain.ports.StationLog`."""

from collections.abc import Mapping

from sqlalchemy import func, select

from linecert_service.domain.events import STATION_CHANGED
from linecert_service.domain.records import EventRecord
from linecert_service.store.backend import Backend
from linecert_service.store.readers import Readers
from linecert_service.store.schema import EVENTS


class StoreStationLog:
    """Reads the changes of stations from the store."""

    def __init__(self, backend: Backend, readers: Readers) -> None:
        self._backend = backend
        self._readers = readers

    async def newest_changes(self) -> Mapping[str, EventRecord]:
        """The newest `station_changed` of each station, by its name."""
        return await self._readers.run(self._newest_changes)

    def _newest_changes(self) -> Mapping[str, EventRecord]:
        newest = select(func.max(EVENTS.c.log_index)).where(EVENTS.c.kind == STATION_CHANGED).group_by(EVENTS.c.station)
        with self._backend.engine.begin() as connection:
            rows = connection.execute(select(EVENTS).where(EVENTS.c.log_index.in_(newest)))
            return {row.station: EventRecord(*row) for row in rows}
