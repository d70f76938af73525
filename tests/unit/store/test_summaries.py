"""Counts by time and dimension."""

from collections.abc import Iterator
from typing import Any

import pytest

from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import Dimension, IssuanceFilter
from linecert_service.store import summaries
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.summaries import StoreSummaryReader
from support.claims import claim, sha256, signed
from support.tampering import unguarded

HOUR = 3_600
NOON = 1_800_014_400
"""A full hour."""
SECOND = 1_000_000
ALL = IssuanceFilter(start_time=NOON * SECOND, end_time=(NOON + 2 * HOUR) * SECOND)


@pytest.fixture(params=[3, 100_000])
def counter(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, backend: Backend, issuers: Issuers
) -> Iterator[StoreSummaryReader]:
    """Two hours on two stations, counted in parts of three entries, or all at once."""
    monkeypatch.setattr(summaries, "PART", request.param)
    writer = backend.writer()

    def at(seconds: int, *entries: Any) -> None:
        append(writer, issuers, entries, NOON + seconds)

    at(-1, signed(_device("before")), _rejected("station-1"))
    at(0, signed(_device("d-1")), signed(_device("d-2", station="station-2", line="line-2", lot="L2")))
    at(1, signed(_device("d-1", spki_sha256=sha256("other key"), replacement_reason="REWORK")))
    at(2, _rejected("station-1"), _rejected("station-2", line="line-2"))
    at(HOUR - 1, signed(_device("d-3")), NewEvent("replayed", station="station-1"))
    at(HOUR, signed(_device("d-4")), _rejected("station-1", count=17))
    at(2 * HOUR, signed(_device("after")), _rejected("station-1"))
    writer.close()
    readers = Readers(backend.engine, 2)
    yield StoreSummaryReader(backend, readers)
    readers.close()


def _device(name: str, **changes: Any) -> Any:
    return claim(name, **{"station": "station-1", "lot": "L1"} | changes)


def _rejected(station: str, line: str = "line-01", count: int | None = None) -> NewEvent:
    said = f'{{"count":"{count}","line":"{line}"}}' if count else f'{{"line":"{line}"}}'
    return NewEvent("rejected", station=station, registration_key="d-9", reason="CSR_MALFORMED", detail=said)


async def counts(
    counter: StoreSummaryReader, dimension: Dimension, wanted: IssuanceFilter = ALL
) -> list[tuple[int, str, int, int, int]]:
    """Hour, value, issued, replacements, rejected."""
    rows = await counter.summarize(wanted, HOUR * SECOND, dimension, 100)
    hours = [(row.bucket_start / SECOND - NOON) / HOUR for row in rows]
    return [
        (int(hour), row.value, row.issued, row.replacements, row.rejected)
        for hour, row in zip(hours, rows, strict=True)
    ]


async def test_by_station(counter: StoreSummaryReader) -> None:
    """Half-open in time; a counted event counts for as many as it stands for."""
    assert await counts(counter, Dimension.STATION) == [
        (0, "station-1", 3, 1, 1),
        (0, "station-2", 1, 0, 1),
        (1, "station-1", 1, 0, 17),
    ]


async def test_by_line(counter: StoreSummaryReader) -> None:
    """Of a rejected request the event says the line."""
    assert await counts(counter, Dimension.LINE) == [
        (0, "line-01", 3, 1, 1),
        (0, "line-2", 1, 0, 1),
        (1, "line-01", 1, 0, 17),
    ]


async def test_what_is_not_set_has_no_name(counter: StoreSummaryReader) -> None:
    """Certificates without an order, and rejections that do not say it, count under the empty value."""
    assert await counts(counter, Dimension.WORK_ORDER) == [(0, "", 4, 1, 2), (1, "", 1, 0, 17)]


@pytest.mark.parametrize(
    "criteria, expected",
    [
        ({"station": "station-2"}, [(0, "station-2", 1, 0, 1)]),
        ({"line": "line-2"}, [(0, "station-2", 1, 0, 1)]),
        ({"lot": "L2"}, [(0, "station-2", 1, 0, 0)]),
        ({"registration_key": "d-4"}, [(1, "station-1", 1, 0, 0)]),
        ({"registration_key": "d-9", "station": "station-2"}, [(0, "station-2", 0, 0, 1)]),
        ({"registration_key_prefix": "d-4"}, [(1, "station-1", 1, 0, 0)]),
        ({"spki_sha256": sha256("other key")}, [(0, "station-1", 1, 1, 0)]),
        ({"after_log_index": 8}, [(1, "station-1", 1, 0, 17)]),
        ({"profile": "other"}, []),
    ],
)
async def test_filters(
    counter: StoreSummaryReader, criteria: dict[str, Any], expected: list[tuple[int, str, int, int, int]]
) -> None:
    """A rejection counts where what it says matches; of lot, attributes and key it says nothing."""
    wanted = IssuanceFilter(start_time=ALL.start_time, end_time=ALL.end_time, **criteria)
    assert await counts(counter, Dimension.STATION, wanted) == expected


async def test_counting_ends_beyond_the_limit(counter: StoreSummaryReader) -> None:
    """More rows than are wanted is all that is said then."""
    assert len(await counter.summarize(ALL, HOUR * SECOND, Dimension.STATION, 1)) > 1


async def test_events_that_were_made_unreadable(counter: StoreSummaryReader, backend: Backend) -> None:
    """They count as one each."""
    with unguarded(backend) as connection:
        connection.exec_driver_sql("UPDATE events SET detail = '[1]'")
    assert (1, "", 0, 0, 1) in await counts(counter, Dimension.LINE)
