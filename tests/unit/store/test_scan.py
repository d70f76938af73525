"""Pages and exports hold exactly what the filter asks for, whichever index leads, and however short the steps are."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from linecert_service.domain.ports import IssuanceFilter
from linecert_service.domain.records import Issued, State
from linecert_service.store import scan
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.exports import StoreExportReader
from linecert_service.store.issuers import Issuers
from linecert_service.store.queries import StoreReader
from linecert_service.store.readers import Readers
from linecert_service.store.schema import WORK_ORDERS
from support.claims import NOW, claim, sha256, signed

SIZE = 90
SECOND = 1_000_000


@pytest.fixture(params=["short", "long"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Steps so short that every page ends in the middle of one, or as they are."""
    if request.param == "short":
        for name, value in (("SCAN", 7), ("LED_SCAN", 3), ("FEW", 4)):
            monkeypatch.setattr(scan, name, value)
    return str(request.param)


class Shelf:
    """A store with certificates of many kinds in it, and what reads them."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self.reader = StoreReader(backend, issuers, readers)
        self.exports = StoreExportReader(backend, issuers, readers)

    async def pages(self, wanted: IssuanceFilter, size: int) -> list[Issued]:
        """All pages."""
        found: list[Issued] = []
        before = None
        while True:
            page = await self.reader.page(wanted, before, size, NOW)
            assert len(page.issued) <= size
            found += page.issued
            if page.next_before is None:
                return found
            assert before is None or page.next_before < before
            before = page.next_before

    async def exported(self, wanted: IssuanceFilter) -> list[Issued]:
        """A whole export."""
        return [issued async for part in self.exports.issued(wanted, NOW) for issued in part]


@pytest.fixture
def shelf(backend: Backend, issuers: Issuers) -> Iterator[Shelf]:
    """Of 90 devices each tenth is replaced; stations, lines, orders, lots and ends of validity vary."""
    with backend.engine.begin() as connection:
        connection.execute(WORK_ORDERS.insert().values(_order("WO-0")))
        connection.execute(WORK_ORDERS.insert().values(_order("WO-1")))
    writer = backend.writer()
    for start in range(0, SIZE, 10):
        numbers = range(start, start + 10)
        append(writer, issuers, [signed(_device(number)) for number in numbers], NOW + start)
        again = _device(start, replacement_reason="REWORK", spki_sha256=sha256(f"new key {start}"))
        append(writer, issuers, [signed(again)], NOW + start)
    writer.close()
    readers = Readers(backend.engine, 2)
    yield Shelf(backend, issuers, readers)
    readers.close()


def _device(number: int, **changes: Any) -> Any:
    return claim(
        f"{'Unit' if number % 2 else 'sn'}-{number:03d}",
        station=f"station-{number % 3}",
        line=f"line-{number % 2}",
        work_order=None if number % 4 else f"WO-{number // 45}",
        lot=f"L{number // 30}",
        attributes=f'{{"panel":"{number % 5}"}}',
        not_after=NOW - 1 if number % 7 == 0 else NOW + 1000,
        **changes,
    )


def _order(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "lines": "[]",
        "profile": "device",
        "quantity": 1000,
        "issued": 0,
        "replacement_limit": 1000,
        "replacements": 0,
        "registration_id_patterns": "[]",
        "expected_devices": 0,
        "state": "OPEN",
        "open_time": 0,
        "revision": 1,
    }


Matches = Callable[[Issued], bool]

CASES: dict[str, tuple[IssuanceFilter, Matches]] = {
    "all": (IssuanceFilter(), lambda _: True),
    "station": (IssuanceFilter(station="station-1"), lambda i: i.record.station == "station-1"),
    "visible": (IssuanceFilter(visible_to="station-2"), lambda i: i.record.station == "station-2"),
    "two stations": (IssuanceFilter(visible_to="station-2", station="station-1"), lambda _: False),
    "line": (IssuanceFilter(line="line-0"), lambda i: i.record.line == "line-0"),
    "order": (IssuanceFilter(work_order="WO-1"), lambda i: i.record.work_order == "WO-1"),
    "order and state": (
        IssuanceFilter(work_order="WO-0", state=State.REPLACED),
        lambda i: i.record.work_order == "WO-0" and i.replaced_by is not None,
    ),
    "station and line": (
        IssuanceFilter(station="station-1", line="line-0"),
        lambda i: (i.record.station, i.record.line) == ("station-1", "line-0"),
    ),
    "device": (IssuanceFilter(registration_key="sn-040"), lambda i: i.record.registration_key == "sn-040"),
    "few with the prefix": (
        IssuanceFilter(registration_key_prefix="unit-00"),
        lambda i: i.record.registration_key.startswith("unit-00"),
    ),
    "many with the prefix": (
        IssuanceFilter(registration_key_prefix="sn-"),
        lambda i: i.record.registration_key.startswith("sn-"),
    ),
    "station and prefix": (
        IssuanceFilter(station="station-0", registration_key_prefix="unit-0"),
        lambda i: i.record.station == "station-0" and i.record.registration_key.startswith("unit-0"),
    ),
    "key": (
        IssuanceFilter(spki_sha256=sha256("new key 30")),
        lambda i: i.record.spki_sha256 == sha256("new key 30"),
    ),
    "lot": (IssuanceFilter(lot="L1"), lambda i: i.record.lot == "L1"),
    "no such profile": (IssuanceFilter(profile="other"), lambda _: False),
    "attribute": (
        IssuanceFilter(attributes=(("panel", "3"),)),
        lambda i: json.loads(i.record.attributes or "{}") == {"panel": "3"},
    ),
    "active": (IssuanceFilter(state=State.ACTIVE), lambda i: i.state(NOW) is State.ACTIVE),
    "replaced": (IssuanceFilter(state=State.REPLACED), lambda i: i.state(NOW) is State.REPLACED),
    "expired": (IssuanceFilter(state=State.EXPIRED), lambda i: i.state(NOW) is State.EXPIRED),
    "time": (
        IssuanceFilter(start_time=(NOW + 20) * SECOND, end_time=(NOW + 50) * SECOND),
        lambda i: NOW + 20 <= i.record.issued_at / SECOND < NOW + 50,
    ),
    "after": (IssuanceFilter(after_log_index=60), lambda i: i.record.log_index > 60),
    "everything at once": (
        IssuanceFilter(
            registration_key_prefix="sn-",
            station="station-0",
            line="line-0",
            lot="L1",
            state=State.ACTIVE,
            start_time=NOW * SECOND,
            after_log_index=3,
        ),
        lambda i: (
            i.record.registration_key.startswith("sn-")
            and (i.record.station, i.record.line, i.record.lot) == ("station-0", "line-0", "L1")
            and i.state(NOW) is State.ACTIVE
        ),
    ),
}


@pytest.mark.usefixtures("steps")
async def test_filters_find_all_and_nothing_else(shelf: Shelf) -> None:
    """Page by page newest first, and exported oldest first: the same as asking each certificate."""
    everything = await shelf.exported(IssuanceFilter())
    assert [issued.record.log_index for issued in everything] == list(range(SIZE + SIZE // 10))
    for name, (wanted, matches) in CASES.items():
        expected = [issued for issued in everything if matches(issued)]
        assert await shelf.exported(wanted) == expected, name
        for size in (4, 1000):
            assert await shelf.pages(wanted, size) == expected[::-1], name


async def test_an_export_ends_where_the_log_ended(shelf: Shelf, backend: Backend, issuers: Issuers) -> None:
    """What is issued while somebody reads is not part of it."""
    found: list[Issued] = []
    async for part in shelf.exports.issued(IssuanceFilter(), NOW):
        writer = backend.writer()
        append(writer, issuers, [signed(registration_id="later")], NOW + 1000)
        writer.close()
        found += part
    assert len(found) == SIZE + SIZE // 10


async def test_an_export_holds_no_transaction(shelf: Shelf, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two parts no connection is in use: a slow reader holds up neither a checkpoint nor a vacuum."""
    monkeypatch.setattr("linecert_service.store.exports.CHUNK", 10)
    parts: list[Sequence[Issued]] = []
    async for part in shelf.exports.issued(IssuanceFilter(), NOW):
        assert backend.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pools in use here
        parts.append(part)
    assert {len(part) for part in parts} <= {10, 9}
