"""What the log says of stations, from both databases."""

from linecert_service.domain.events import STATION_CHANGED, NewEvent
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.station_log import StoreStationLog
from support.claims import NOW


async def test_the_newest_change_of_each_station_is_found(backend: Backend, issuers: Issuers) -> None:
    """Events of other kinds, and older ones, are not looked at."""
    writer = backend.writer()
    readers = Readers(backend.engine, 1)
    log = StoreStationLog(backend, readers)
    assert await log.newest_changes() == {}
    for number, (kind, station) in enumerate(
        [(STATION_CHANGED, "a"), (STATION_CHANGED, "b"), (STATION_CHANGED, "a"), ("rejected", "b"), ("rejected", "c")]
    ):
        append(writer, issuers, [NewEvent(kind, station=station, detail=f'{{"n":"{number}"}}')], NOW + number)
    found = await log.newest_changes()
    assert {name: event.detail for name, event in found.items()} == {"a": '{"n":"2"}', "b": '{"n":"1"}'}
    writer.close()
    readers.close()
