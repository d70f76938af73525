"""Reading what was issued: single certificates, pages and filters, and who sees what."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from linecert.v1.audit_pb2 import (
    ExportIssuedCertificatesRequest,
    GetIssuedCertificateRequest,
    IssuanceFilter,
    ListIssuedCertificatesRequest,
    ListIssuedCertificatesResponse,
)
from linecert.v1.issuance_pb2 import IssuedCertificate, ReplacementReason
from linecert_service.installation.add_station import AddOptions, add_station
from support import csrs
from support.clocks import SettableClock
from support.installations import Installation
from support.server import (
    AUDITOR,
    PLANNER,
    STATION,
    Caller,
    InProcess,
    Refusal,
    Running,
    ask,
    installation_at,
    refused,
    serving,
)

# One server for the module; the tests that write into it use devices of their own, and ask for these by filter.
pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUEST = GetIssuedCertificateRequest.StationRequest
ACTIVE, REPLACED, EXPIRED = (
    IssuedCertificate.STATE_ACTIVE,
    IssuedCertificate.STATE_REPLACED,
    IssuedCertificate.STATE_EXPIRED,
)


class Scene:
    """A server with a few certificates of two stations in it.

    Attributes:
        issued: the certificates, by a name of their own, as the auditor sees them in the end.
    """

    def __init__(self, server: InProcess, clock: SettableClock) -> None:
        self.server = server
        self.clock = clock
        self.station = server.caller(STATION)
        self.other = server.caller("station-02")
        self.auditor = server.caller(AUDITOR)
        self.issued: dict[str, IssuedCertificate] = {}

    async def play(self) -> None:
        """Issue them, each a minute after the one before."""
        rework = ReplacementReason.REPLACEMENT_REASON_REWORK
        await self._sign("first", self.station, "Scene-1", lot="L1", attributes={"panel": "7", "fixture": "A"})
        await self._sign("second", self.station, "scene-2", lot="L2", attributes={"panel": "77"})
        await self._sign("short", self.station, "scene-3", validity=Duration(seconds=60))
        await self._sign("others", self.other, "scene-4", lot="L1", attributes={"panel": "7"})
        new_key = csrs.key("P-256", number=2)
        await self._sign("again", self.station, "Scene-1", key=new_key, replacement_reason=rework, lot="L1")
        for name, issued in self.issued.items():
            self.issued[name] = await self.get(serial_number=issued.serial_number)

    async def get(self, caller: Caller | None = None, **key: Any) -> IssuedCertificate:
        """GetIssuedCertificate, as the auditor by default."""
        answer = await (caller or self.auditor).audit.GetIssuedCertificate(GetIssuedCertificateRequest(**key))
        assert len(answer.chain.intermediates) == 1
        issued: IssuedCertificate = answer.issued
        return issued

    async def unknown(self, caller: Caller | None = None, **key: Any) -> Refusal:
        """The refusal of GetIssuedCertificate."""
        call = (caller or self.auditor).audit.GetIssuedCertificate(GetIssuedCertificateRequest(**key))
        return await refused(call)

    async def page(self, caller: Caller | None = None, **fields: Any) -> ListIssuedCertificatesResponse:
        """ListIssuedCertificates, as the auditor by default."""
        request = ListIssuedCertificatesRequest(**fields)
        page: ListIssuedCertificatesResponse = await (caller or self.auditor).audit.ListIssuedCertificates(request)
        return page

    async def found(self, caller: Caller | None = None, **criteria: Any) -> list[str]:
        """The names of what a filter finds, newest first; what other tests issued is left out."""
        names = {issued.serial_number: name for name, issued in self.issued.items()}
        page = await self.page(caller, filter=IssuanceFilter(**criteria), page_size=1000)
        return [names[issued.serial_number] for issued in page.issued if issued.serial_number in names]

    async def _sign(self, name: str, caller: Caller, device: str, **fields: Any) -> None:
        self.issued[name] = (await caller.sign(ask(device, **fields))).issued
        self.clock.passed += 60


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The module's scene."""
    installation = installation_at(tmp_path_factory.mktemp("audit") / "server")
    reasons = 'profiles = ["device"]\nreplacement_reasons = ["REWORK"]'
    installation.edit('profiles = ["device"]', reasons, file="stations.toml")
    add_station(installation.settings(), AddOptions("station-02", "line-02"), datetime.now(UTC))
    clock = SettableClock()
    async with serving(installation, clock) as server:
        scene = Scene(server, clock)
        await scene.play()
        yield scene


async def test_by_serial_number_as_people_write_it(scene: Scene) -> None:
    """Upper case, colons, and leading zeros left out: the same certificate."""
    issued = scene.issued["first"]
    serial = issued.serial_number
    pairs = ":".join(serial[start : start + 2] for start in range(0, 40, 2))
    for written in (serial, serial.upper(), pairs, pairs.upper(), f"{int(serial, 16):x}"):
        assert await scene.get(serial_number=written) == issued


async def test_by_request(scene: Scene) -> None:
    """By station and request_id; a station may leave its own name out."""
    issued = scene.issued["second"]
    assert await scene.get(request=REQUEST(station=STATION, request_id=issued.request_id)) == issued
    assert await scene.get(scene.station, request=REQUEST(request_id=issued.request_id)) == issued
    other = await scene.unknown(request=REQUEST(station="station-02", request_id=issued.request_id))
    assert other.reason == "CERTIFICATE_UNKNOWN"


async def test_by_registration_id(scene: Scene) -> None:
    """The device's newest, whatever the case."""
    for written in ("Scene-1", "SCENE-1", "scene-1"):
        assert await scene.get(registration_id=written) == scene.issued["again"]


async def test_a_record_says_everything(scene: Scene) -> None:
    """Who asked, what for, and how it stands to the others."""
    first, again = scene.issued["first"], scene.issued["again"]
    assert (first.station, first.line, first.lot, dict(first.attributes)) == (
        STATION,
        "line-01",
        "L1",
        {"panel": "7", "fixture": "A"},
    )
    assert (first.state, again.state, scene.issued["short"].state) == (REPLACED, ACTIVE, EXPIRED)
    assert (first.replaced_by_serial_number, again.replaces_serial_number) == (again.serial_number, first.serial_number)


@pytest.mark.parametrize(
    "key, field",
    [
        ({}, "key"),
        ({"serial_number": ""}, "serial_number"),
        ({"serial_number": "xyz"}, "serial_number"),
        ({"serial_number": "0" * 41}, "serial_number"),
        ({"request": REQUEST(station=STATION)}, "request.request_id"),
        ({"request": REQUEST(station="a b", request_id="x")}, "request.station"),
        ({"registration_id": "device 01"}, "registration_id"),
        ({"registration_id": ""}, "registration_id"),
    ],
)
async def test_a_key_of_the_wrong_form(scene: Scene, key: dict[str, Any], field: str) -> None:
    """INVALID_ARGUMENT, with the field."""
    refusal = await scene.unknown(**key)
    assert (refusal.status, refusal.field) == ("INVALID_ARGUMENT", field)


async def test_a_station_sees_its_own_only(scene: Scene) -> None:
    """Others' certificates are unknown to it, in the same words as those that do not exist."""
    others, own = scene.issued["others"], scene.issued["first"]
    unknown = await scene.unknown(scene.station, serial_number="1" * 40)
    assert (unknown.status, unknown.reason) == ("NOT_FOUND", "CERTIFICATE_UNKNOWN")
    hidden = (
        {"serial_number": others.serial_number},
        {"registration_id": "scene-4"},
        {"request": REQUEST(station="station-02", request_id=others.request_id)},
    )
    for key in hidden:
        assert await scene.unknown(scene.station, **key) == unknown
    assert await scene.found(scene.station) == ["again", "short", "second", "first"]
    assert await scene.found(scene.other) == ["others"]
    assert await scene.found(scene.station, station="station-02") == []
    assert await scene.get(scene.station, serial_number=own.serial_number) == own


async def test_a_planner_sees_what_an_auditor_sees(scene: Scene) -> None:
    """Certificates of all stations, one by one, in pages and as a whole: it compares orders with them."""
    planner = scene.server.caller(PLANNER)
    for issued in scene.issued.values():
        assert await scene.get(planner, serial_number=issued.serial_number) == issued
    assert await scene.found(planner) == await scene.found()
    exported = planner.audit.ExportIssuedCertificates(ExportIssuedCertificatesRequest())
    serials = [issued.serial_number async for message in exported for issued in message.issued]
    assert {issued.serial_number for issued in scene.issued.values()}.issubset(serials)


async def test_an_auditor_sees_all(scene: Scene) -> None:
    """Newest first."""
    assert await scene.found() == ["again", "others", "short", "second", "first"]


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ID": ({"registration_id": "SCENE-1"}, ["again", "first"]),
    "ID is no prefix": ({"registration_id": "scene"}, []),
    "prefix": ({"registration_id_prefix": "SCENE-"}, ["again", "others", "short", "second", "first"]),
    "longer prefix": ({"registration_id_prefix": "scene-2"}, ["second"]),
    "station": ({"station": "station-02"}, ["others"]),
    "line": ({"line": "line-01"}, ["again", "short", "second", "first"]),
    "line and station": ({"line": "line-01", "station": "station-02"}, []),
    "lot": ({"lot": "L1"}, ["again", "others", "first"]),
    "lot's case": ({"lot": "l1"}, []),
    "work order": ({"work_order": "WO-1"}, []),
    "profile": ({"profile": "device", "lot": "L2"}, ["second"]),
    "no such profile": ({"profile": "other"}, []),
    "attribute": ({"attributes": {"panel": "7"}}, ["others", "first"]),
    "attributes": ({"attributes": {"panel": "7", "fixture": "A"}}, ["first"]),
    "attribute's value is whole": ({"attributes": {"panel": "77"}}, ["second"]),
    "active": ({"state": ACTIVE}, ["again", "others", "second"]),
    "replaced": ({"state": REPLACED}, ["first"]),
    "expired": ({"state": EXPIRED}, ["short"]),
    "all of them": (
        {"registration_id_prefix": "s", "line": "line-01", "lot": "L1", "state": ACTIVE, "profile": "device"},
        ["again"],
    ),
}


@pytest.mark.parametrize("case", FILTERS)
async def test_a_filter(scene: Scene, case: str) -> None:
    """Each field, alone and together with others."""
    criteria, expected = FILTERS[case]
    assert await scene.found(**criteria) == expected


async def test_a_filter_by_key(scene: Scene) -> None:
    """The hash of the public key, in either case."""
    issued = scene.issued["second"]
    for written in (issued.public_key_sha256, issued.public_key_sha256.upper()):
        assert await scene.found(public_key_sha256=written) == ["second"]


async def test_a_filter_by_time_is_half_open(scene: Scene) -> None:
    """From `start_time` on, and up to but without `end_time`, to the microsecond."""
    second, others = scene.issued["second"].issue_time, scene.issued["others"].issue_time
    assert await scene.found(start_time=second, end_time=others) == ["short", "second"]
    assert await scene.found(start_time=_moved(second, 1), end_time=_moved(others, 1)) == ["others", "short"]
    assert await scene.found(start_time=others, end_time=second) == []
    assert await scene.found(start_time=Timestamp(seconds=0), end_time=Timestamp(seconds=1)) == []
    assert len(await scene.found(start_time=Timestamp(seconds=-(10**9)))) == len(scene.issued)


async def test_a_filter_by_position(scene: Scene) -> None:
    """`after_log_index` is how an MES follows the log; 0 is an index too."""
    assert await scene.found(after_log_index=scene.issued["short"].log_index) == ["again", "others"]
    assert len(await scene.found(after_log_index=0)) == len(scene.issued)
    assert len(await scene.found(after_log_index=-5)) == len(scene.issued)
    assert await scene.found(after_log_index=2**63 - 1) == []


@pytest.mark.parametrize(
    "criteria, field",
    [
        ({"registration_id": "a b"}, "filter.registration_id"),
        ({"registration_id_prefix": "a b"}, "filter.registration_id_prefix"),
        ({"registration_id_prefix": "%"}, "filter.registration_id_prefix"),
        ({"registration_id_prefix": "p" * 65}, "filter.registration_id_prefix"),
        ({"station": "a b"}, "filter.station"),
        ({"line": "a'b"}, "filter.line"),
        ({"work_order": "w" * 65}, "filter.work_order"),
        ({"lot": " L"}, "filter.lot"),
        ({"profile": "a/b"}, "filter.profile"),
        ({"public_key_sha256": "12"}, "filter.public_key_sha256"),
        ({"attributes": {"A": ""}}, "filter.attributes"),
        ({"state": 99}, "filter.state"),
        ({"start_time": Timestamp(seconds=2**50)}, "filter.start_time"),
        ({"end_time": Timestamp(nanos=-1)}, "filter.end_time"),
    ],
)
async def test_a_filter_of_the_wrong_form(scene: Scene, criteria: dict[str, Any], field: str) -> None:
    """INVALID_ARGUMENT, with the field."""
    call = scene.auditor.audit.ListIssuedCertificates(ListIssuedCertificatesRequest(filter=IssuanceFilter(**criteria)))
    refusal = await refused(call)
    assert (refusal.status, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "FIELD_INVALID", field)


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_pages_hold_everything_once(scene: Scene, size: int) -> None:
    """From page to page nothing is missing and nothing comes twice, however long the pages are."""
    found: list[str] = []
    token = ""
    criteria = IssuanceFilter(registration_id_prefix="scene-")
    while True:
        page = await scene.page(filter=criteria, page_size=size, page_token=token)
        assert len(page.issued) <= size
        found += [issued.serial_number for issued in page.issued]
        if not (token := page.next_page_token):
            break
    expected = sorted(scene.issued.values(), key=lambda issued: -issued.log_index)
    assert found == [issued.serial_number for issued in expected]


async def test_pages_are_steady_while_rows_are_added(scene: Scene) -> None:
    """What is issued while somebody pages neither shifts nor repeats what is older."""
    before = [issued.log_index for issued in (await scene.page(page_size=1000)).issued]
    found: list[int] = []
    token, number = "", 0
    while True:
        page = await scene.page(page_size=2, page_token=token)
        found += [issued.log_index for issued in page.issued]
        if not (token := page.next_page_token):
            break
        requests = (ask(f"added-{number}-{each}") for each in range(3))
        await asyncio.gather(*(scene.station.sign(request) for request in requests))
        number += 1
    assert found == before


@pytest.mark.parametrize("size", [0, 5000])
async def test_the_page_size_has_a_default_and_a_limit(scene: Scene, size: int) -> None:
    """Unset is 100 and more than 1,000 is 1,000: never an error."""
    assert len((await scene.page(page_size=size)).issued) >= len(scene.issued)


async def test_a_negative_page_size(scene: Scene) -> None:
    """FIELD_INVALID."""
    refusal = await refused(scene.auditor.audit.ListIssuedCertificates(ListIssuedCertificatesRequest(page_size=-1)))
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "page_size")


async def test_a_page_token_is_good_for_its_filter_only(scene: Scene) -> None:
    """With another filter, for another caller, or changed: PAGE_TOKEN_INVALID. Another page size is no other filter."""
    token = (await scene.page(page_size=1, filter=IssuanceFilter(line="line-01"))).next_page_token
    assert token
    assert (await scene.page(page_size=2, filter=IssuanceFilter(line="line-01"), page_token=token)).issued
    changed = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
    attempts = (
        (scene.auditor, {"line": "line-02"}, token),
        (scene.auditor, {}, token),
        (scene.station, {"line": "line-01"}, token),
        (scene.auditor, {"line": "line-01"}, changed),
        (scene.auditor, {"line": "line-01"}, "swordfish"),
        (scene.auditor, {"line": "line-01"}, "é"),
    )
    for caller, criteria, attempt in attempts:
        request = ListIssuedCertificatesRequest(filter=IssuanceFilter(**criteria), page_token=attempt)
        refusal = await refused(caller.audit.ListIssuedCertificates(request))
        assert (refusal.reason, refusal.field) == ("PAGE_TOKEN_INVALID", "page_token")
        assert "swordfish" not in refusal.message


async def test_a_page_token_outlives_a_restart(installation_of_its_own: Installation) -> None:
    """It says where to go on, and belongs to no process."""
    async with serving(installation_of_its_own) as server:
        for number in range(3):
            await server.caller().sign(ask(f"device-{number}"))
        first = await _page(server, "")
    async with serving(installation_of_its_own) as server:
        second = await _page(server, first.next_page_token)
    assert [issued.registration_id for issued in (*first.issued, *second.issued)] == ["device-2", "device-1"]


@pytest.fixture
def installation_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """For a test that restarts its server."""
    return installation_at(tmp_path_factory.mktemp("restart") / "server")


async def _page(server: Running, token: str) -> ListIssuedCertificatesResponse:
    request = ListIssuedCertificatesRequest(page_size=1, page_token=token)
    page: ListIssuedCertificatesResponse = await server.caller(AUDITOR).audit.ListIssuedCertificates(request)
    return page


def _moved(time: Timestamp, microseconds: int) -> Timestamp:
    moved = Timestamp()
    moved.FromDatetime(time.ToDatetime() + timedelta(microseconds=microseconds))
    return moved
