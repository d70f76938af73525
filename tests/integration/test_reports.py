"""Exports of certificates, counts and events over the wire."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from linecert.v1.audit_pb2 import (
    ExportIssuedCertificatesRequest,
    IssuanceFilter,
    ListEventsRequest,
    ListEventsResponse,
    SummarizeIssuanceRequest,
    SummarizeIssuanceResponse,
)
from linecert.v1.issuance_pb2 import IssuedCertificate, ReplacementReason
from linecert_service.installation.add_station import AddOptions, add_station
from support import csrs
from support.server import AUDITOR, PLANNER, STATION, Caller, Refusal, Running, ask, installation_at, refused, serving

# One server for the module, in which nothing more is issued once it is set up.
pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = SummarizeIssuanceRequest.BUCKET_DAY
BY_STATION = SummarizeIssuanceRequest.DIMENSION_STATION


class Scene:
    """A server with certificates of two stations, one of them replaced, and refusals.

    Attributes:
        end: after all that; what tests are refused comes later.
    """

    def __init__(self, server: Running) -> None:
        self.server = server
        self.station = server.caller(STATION)
        self.other = server.caller("station-02")
        self.auditor = server.caller(AUDITOR)
        self.planner = server.caller(PLANNER)
        self.issued: list[IssuedCertificate] = []
        self.end = Timestamp()

    async def play(self) -> None:
        """Issue and refuse."""
        for number in range(6):
            caller = self.other if number % 3 == 0 else self.station
            self.issued.append((await caller.sign(ask(f"report-{number}", lot=f"L{number % 2}"))).issued)
        again = ask(
            "report-1",
            key=csrs.key("P-256", number=3),
            replacement_reason=ReplacementReason.REPLACEMENT_REASON_REWORK,
        )
        self.issued.append((await self.station.sign(again)).issued)
        for _ in range(2):
            await refused(self.station.sign(ask("report-2", key=csrs.key("P-256", number=4))))
        async with asyncio.timeout(10):
            while len(told := (await self.events(kinds=["rejected"])).events) < 2:  # noqa: ASYNC110 - over the wire
                await asyncio.sleep(0.05)
        self.end.FromMicroseconds(told[0].time.ToMicroseconds() + 1)

    async def export(self, **criteria: Any) -> list[IssuedCertificate]:
        """All that ExportIssuedCertificates gives the auditor."""
        request = ExportIssuedCertificatesRequest(filter=IssuanceFilter(**criteria))
        return [issued async for part in self.auditor.audit.ExportIssuedCertificates(request) for issued in part.issued]

    async def summary(self, caller: Caller | None = None, **fields: Any) -> SummarizeIssuanceResponse:
        """SummarizeIssuance, as the planner by default."""
        request = SummarizeIssuanceRequest(**fields)
        answer: SummarizeIssuanceResponse = await (caller or self.planner).audit.SummarizeIssuance(request)
        return answer

    async def events(self, **fields: Any) -> ListEventsResponse:
        """ListEvents, as the auditor."""
        answer: ListEventsResponse = await self.auditor.audit.ListEvents(ListEventsRequest(**fields))
        return answer

    def today(self, **criteria: Any) -> IssuanceFilter:
        """A filter over all that was issued."""
        return IssuanceFilter(start_time=self.issued[0].issue_time, end_time=self.end, **criteria)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The module's scene."""
    installation = installation_at(tmp_path_factory.mktemp("reports") / "server")
    reasons = 'profiles = ["device"]\nreplacement_reasons = ["REWORK"]'
    installation.edit('profiles = ["device"]', reasons, file="stations.toml")
    add_station(installation.settings(), AddOptions("station-02", "line-02"), datetime.now(UTC))
    async with serving(installation) as server:
        scene = Scene(server)
        await scene.play()
        yield scene


async def test_an_export_is_all_oldest_first(scene: Scene) -> None:
    """With what became of each, as the auditor sees it one by one."""
    found = await scene.export()
    assert [issued.serial_number for issued in found] == [issued.serial_number for issued in scene.issued]
    assert found[1].state == IssuedCertificate.STATE_REPLACED
    assert found[1].replaced_by_serial_number == found[6].serial_number
    assert all(issued.station and issued.request_id for issued in found)


async def test_an_export_is_filtered(scene: Scene) -> None:
    """As lists are; and with `after_log_index` it goes on where an earlier one ended."""
    found = await scene.export(line="line-02")
    assert [issued.registration_id for issued in found] == ["report-0", "report-3"]
    later = await scene.export(lot="L1", after_log_index=scene.issued[1].log_index)
    assert [issued.registration_id for issued in later] == ["report-3", "report-5"]
    assert await scene.export(registration_id="nobody") == []


async def test_an_export_of_the_wrong_form(scene: Scene) -> None:
    """FIELD_INVALID before anything is read; and stations do not export."""
    request = ExportIssuedCertificatesRequest(filter=IssuanceFilter(line="a b"))
    refusal = await refused(scene.auditor.audit.ExportIssuedCertificates(request).read())
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "filter.line")
    call = scene.station.audit.ExportIssuedCertificates(ExportIssuedCertificatesRequest())
    assert (await refused(call.read())).reason == "ROLE_MISSING"


async def test_counts_by_station(scene: Scene) -> None:
    """Issued, replacements among them, and refused."""
    answer = await scene.summary(filter=scene.today(), bucket=DAY, dimension=BY_STATION)
    counts: dict[str, list[int]] = {}
    for row in answer.rows:
        assert row.bucket_start.seconds % 86_400 == 0
        counted = counts.setdefault(row.value, [0, 0, 0])
        for at, count in enumerate((row.issued, row.replacements, row.rejected)):
            counted[at] += count
    assert counts == {STATION: [5, 1, 2], "station-02": [2, 0, 0]}


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"filter": IssuanceFilter(end_time=Timestamp(seconds=1))}, "filter.start_time"),
        ({"filter": IssuanceFilter(start_time=Timestamp(seconds=1))}, "filter.end_time"),
        ({"bucket": 0}, "bucket"),
        ({"bucket": 99}, "bucket"),
        ({"dimension": 0}, "dimension"),
    ],
)
async def test_counts_of_the_wrong_form(scene: Scene, changes: dict[str, Any], field: str) -> None:
    """A range of time, a bucket and a dimension are needed."""
    fields = {"filter": scene.today(), "bucket": DAY, "dimension": BY_STATION} | changes
    refusal = await _refused_summary(scene, **fields)
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", field)


async def test_counts_do_not_know_states(scene: Scene) -> None:
    """What became of a certificate is not part of the history."""
    wanted = scene.today(state=IssuedCertificate.STATE_ACTIVE)
    refusal = await _refused_summary(scene, filter=wanted, bucket=DAY, dimension=BY_STATION)
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "filter.state")


async def test_too_many_rows(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a chart can show: the message says what to change."""
    monkeypatch.setattr("linecert_service.rpc.reports.MAX_ROWS", 1)
    refusal = await _refused_summary(scene, filter=scene.today(), bucket=DAY, dimension=BY_STATION)
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "bucket")
    assert "narrower" in refusal.message


async def test_events_say_what_happened(scene: Scene) -> None:
    """A refusal with its station, device and reason."""
    event = (await scene.events(kinds=["rejected"], end_time=scene.end)).events[0]
    assert (event.kind, event.station, event.registration_id, event.reason) == (
        "rejected",
        STATION,
        "report-2",
        "REGISTRATION_ID_TAKEN",
    )
    assert event.detail["line"] == "line-01"
    assert event.time.seconds >= scene.issued[-1].issue_time.seconds


async def test_events_in_pages(scene: Scene) -> None:
    """Newest first, each once; a token is good for its own filter only."""
    everything = [event.log_index for event in (await scene.events(page_size=1000, end_time=scene.end)).events]
    found: list[int] = []
    token = ""
    while True:
        page = await scene.events(page_size=1, end_time=scene.end, page_token=token)
        found += [event.log_index for event in page.events]
        if not (token := page.next_page_token):
            break
        kept = token
    assert found == everything == sorted(everything, reverse=True)
    refusal = await _refused_events(scene, kinds=["rejected"], page_token=kept)
    assert (refusal.reason, refusal.field) == ("PAGE_TOKEN_INVALID", "page_token")


async def test_events_are_filtered(scene: Scene) -> None:
    """By kind, station, device and time."""
    assert (
        len((await scene.events(station=STATION, kinds=["rejected", "issuer_added"], end_time=scene.end)).events) == 2
    )
    assert len((await scene.events(registration_id="REPORT-2")).events) >= 2
    assert [event.kind for event in (await scene.events(station="station-02")).events] == ["station_changed"]
    assert not (await scene.events(start_time=Timestamp(seconds=2**33))).events
    assert (await scene.events(kinds=["issuer_added"], end_time=Timestamp(seconds=2**33))).events


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"kinds": ["Rejected!"]}, "kinds"),
        ({"kinds": [f"k{'x' * each}" for each in range(40)]}, "kinds"),
        ({"station": "a b"}, "station"),
        ({"registration_id": "a b"}, "registration_id"),
        ({"start_time": Timestamp(seconds=2**50)}, "start_time"),
        ({"page_size": -1}, "page_size"),
    ],
)
async def test_events_of_the_wrong_form(scene: Scene, fields: dict[str, Any], field: str) -> None:
    """FIELD_INVALID, with the field."""
    refusal = await _refused_events(scene, **fields)
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", field)


async def test_who_may_report(scene: Scene) -> None:
    """Stations count nothing and see no events; planners count."""
    assert (await refused(scene.station.audit.ListEvents(ListEventsRequest()))).reason == "ROLE_MISSING"
    assert (await refused(scene.station.audit.SummarizeIssuance(SummarizeIssuanceRequest()))).reason == "ROLE_MISSING"
    assert (await refused(scene.planner.audit.ListEvents(ListEventsRequest()))).reason == "ROLE_MISSING"
    assert (await scene.summary(scene.auditor, filter=scene.today(), bucket=DAY, dimension=BY_STATION)).rows


async def _refused_summary(scene: Scene, **fields: Any) -> Refusal:
    return await refused(scene.planner.audit.SummarizeIssuance(SummarizeIssuanceRequest(**fields)))


async def _refused_events(scene: Scene, **fields: Any) -> Refusal:
    return await refused(scene.auditor.audit.ListEvents(ListEventsRequest(**fields)))
