"""How many certificates stations got, as the limits are told."""

from collections.abc import Iterator

import pytest

from linecert_service.domain.events import NewEvent
from linecert_service.domain.issued_counts import SECONDS_OF_DAY, IssuedCounts
from linecert_service.store import issued_counts
from linecert_service.store.append import append
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.issued_counts import StoreIssuedCounts
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from support.claims import claim, signed

DAY = 20_834
MIDNIGHT = DAY * SECONDS_OF_DAY


class Log:
    """A log that grows."""

    def __init__(self, writer: Writer, issuers: Issuers) -> None:
        self._writer, self._issuers = writer, issuers
        self.size = 0

    def grow(self, at: int, *stations: str) -> None:
        """Issue one certificate to each of these, and record an event; `at` is in seconds from midnight on."""
        certificates = [
            signed(claim(f"device-{self.size + place}", station=station)) for place, station in enumerate(stations)
        ]
        append(self._writer, self._issuers, [*certificates, NewEvent("replayed", station="ict-1")], MIDNIGHT + at)
        self.size += len(stations) + 1


@pytest.fixture
def log(backend: Backend, issuers: Issuers) -> Iterator[Log]:
    """An empty log."""
    writer = backend.writer()
    yield Log(writer, issuers)
    writer.close()


@pytest.fixture(params=[2, 1_000_000])
def counts(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> Iterator[StoreIssuedCounts]:
    """Counts in parts of two entries, or all at once."""
    monkeypatch.setattr(issued_counts, "PART", request.param)
    monkeypatch.setattr(issued_counts, "DAY_PART", request.param)
    readers = Readers(backend.engine, 1)
    yield StoreIssuedCounts(backend, readers)
    readers.close()


def test_day_is_counted_from_midnight_for_every_station(log: Log, counts: StoreIssuedCounts) -> None:
    """Also for those that no file names any more; events count for nothing."""
    log.grow(-1, "ict-1", "ict-1", "only yesterday")
    log.grow(0, "ict-1", "ict-2")
    log.grow(SECONDS_OF_DAY - 1, "ict-1", "gone", "ict-1")
    found = counts.of_day(DAY)
    assert {name: number for name, number in found.certificates.items() if number} == {
        ("ict-1", DAY): 3,
        ("ict-2", DAY): 1,
        ("gone", DAY): 1,
    }
    assert found.end == log.size


def test_day_ends_where_the_next_one_begins(log: Log, counts: StoreIssuedCounts) -> None:
    """What another server's clock has dated tomorrow already is left to the reading that goes on there."""
    log.grow(5, "ict-1")
    end = log.size
    log.grow(SECONDS_OF_DAY, "ict-1")
    assert counts.of_day(DAY) == IssuedCounts(end, {("ict-1", DAY): 1})


def test_empty_log_has_no_counts(counts: StoreIssuedCounts) -> None:
    """A first start."""
    assert counts.of_day(DAY) == IssuedCounts(0, {})


async def test_reading_on_finds_each_certificate_once(log: Log, counts: StoreIssuedCounts) -> None:
    """By station and day, from one reading to the next, however long the log has grown in between."""
    log.grow(-5, "ict-1")
    start = log.size
    log.grow(-1, "ict-1", "ict-2")
    log.grow(0, "ict-1")
    found: dict[tuple[str, int], int] = {}
    for _ in range(4):
        read = await counts.after(start)
        start = read.end
        found |= {key: found.get(key, 0) + number for key, number in read.certificates.items()}
    assert found == {("ict-1", DAY - 1): 1, ("ict-2", DAY - 1): 1, ("ict-1", DAY): 1}
    assert await counts.after(start) == IssuedCounts(log.size, {})


async def test_log_that_is_shorter_than_it_was_is_nothing_to_count(counts: StoreIssuedCounts) -> None:
    """Its guards say what is wrong with it; here nothing is counted twice."""
    assert await counts.after(10) == IssuedCounts(10, {})
