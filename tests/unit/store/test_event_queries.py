"""Pages of events."""

from collections.abc import Iterator

import pytest

from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import EventFilter
from linecert_service.domain.records import EventRecord
from linecert_service.store import event_queries
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.event_queries import StoreEventReader
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from support.claims import NOW, signed

SIZE = 60
SECOND = 1_000_000
KINDS = ("rejected", "replayed", "service_started")


@pytest.fixture(params=[4, 50_000])
def events(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, backend: Backend, issuers: Issuers
) -> Iterator[StoreEventReader]:
    """Events of three kinds and stations among certificates; a page looks at four events, or at many."""
    monkeypatch.setattr(event_queries, "SCAN", request.param)
    writer = backend.writer()
    for number in range(SIZE):
        event = NewEvent(
            KINDS[number % 3], station=f"station-{number % 4}", registration_key=f"d-{number % 10}", reason="R"
        )
        append(writer, issuers, [signed(registration_id=f"new-{number}"), event], NOW + number)
    writer.close()
    readers = Readers(backend.engine, 2)
    yield StoreEventReader(backend, readers)
    readers.close()


async def pages(events: StoreEventReader, wanted: EventFilter, size: int) -> list[EventRecord]:
    """All pages."""
    found: list[EventRecord] = []
    before = None
    while True:
        page = await events.page(wanted, before, size)
        assert len(page.events) <= size
        found += page.events
        if page.next_before is None:
            return found
        before = page.next_before


async def test_filters_find_all_and_nothing_else(events: StoreEventReader) -> None:
    """Each filter, alone and with others, newest first: the same as asking each event."""
    everything = await pages(events, EventFilter(), 7)
    assert [event.log_index for event in everything] == list(range(2 * SIZE - 1, 0, -2))
    cases = (
        (EventFilter(kinds=("rejected",)), lambda e: e.kind == "rejected"),
        (EventFilter(kinds=("rejected", "replayed")), lambda e: e.kind != "service_started"),
        (EventFilter(kinds=("unheard_of",)), lambda _: False),
        (EventFilter(station="station-1"), lambda e: e.station == "station-1"),
        (
            EventFilter(station="station-1", kinds=("replayed",)),
            lambda e: (e.station, e.kind) == ("station-1", "replayed"),
        ),
        (EventFilter(registration_key="d-3"), lambda e: e.registration_key == "d-3"),
        (
            EventFilter(registration_key="d-3", station="station-1", kinds=KINDS),
            lambda e: (e.registration_key, e.station) == ("d-3", "station-1"),
        ),
        (
            EventFilter(start_time=(NOW + 10) * SECOND, end_time=(NOW + 20) * SECOND),
            lambda e: NOW + 10 <= e.at / SECOND < NOW + 20,
        ),
        (
            EventFilter(start_time=(NOW + 10) * SECOND, kinds=("rejected",)),
            lambda e: e.at / SECOND >= NOW + 10 and e.kind == "rejected",
        ),
        (EventFilter(start_time=(NOW + 20) * SECOND, end_time=(NOW + 10) * SECOND), lambda _: False),
    )
    for wanted, matches in cases:
        for size in (3, 100):
            assert await pages(events, wanted, size) == [e for e in everything if matches(e)], wanted


async def test_an_event_between_certificates_has_its_time(
    backend: Backend, issuers: Issuers, events: StoreEventReader
) -> None:
    """A range of time that holds no certificate holds its events all the same."""
    writer = backend.writer()
    append(writer, issuers, [NewEvent("service_started")], NOW + 1_000)
    append(writer, issuers, [signed(registration_id="last")], NOW + 2_000)
    writer.close()
    wanted = EventFilter(start_time=(NOW + 900) * SECOND, end_time=(NOW + 1_100) * SECOND)
    assert [event.kind for event in await pages(events, wanted, 10)] == ["service_started"]
