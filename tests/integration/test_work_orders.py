"""Work orders over the wire, on both databases: who may have how many, and what a planner's client sees of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from linecert.v1.audit_pb2 import ListEventsRequest
from linecert.v1.issuance_pb2 import ReplacementReason
from linecert.v1.work_order_pb2 import (
    ImportExpectedDevicesRequest,
    ListWorkOrdersRequest,
    ListWorkOrdersResponse,
    WorkOrder,
)
from linecert_service.observability import work_order_watch
from support import audit_log
from support.databases import DATABASES, new_store
from support.orders import (
    Device,
    close_order,
    expect,
    expected,
    get_order,
    open_order,
    reopen_order,
    update_order,
)
from support.server import AUDITOR, PLANNER, Caller, Running, ask, device_key, installation_at, refused, serving

LOST = ReplacementReason.REPLACEMENT_REASON_LOST


@pytest.fixture(params=DATABASES)
async def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """A running server, whose station may replace lost certificates."""
    monkeypatch.setattr(work_order_watch, "REFRESH_SECONDS", 0.05)
    installation = installation_at(tmp_path / "server", store_url=new_store(request.param))
    installation.edit(
        'profiles = ["device"]', 'profiles = ["device"]\nreplacement_reasons = ["LOST"]', file="stations.toml"
    )
    async with serving(installation) as running:
        yield running


@pytest.fixture
def planner(server: Running) -> Caller:
    """A connection of planner-01."""
    return server.caller(PLANNER)


@pytest.fixture
def station(server: Running) -> Caller:
    """A connection of station-01, on line-01."""
    return server.caller()


async def _events(server: Running) -> list[tuple[str, str, dict[str, str]]]:
    """What the log tells of work orders, oldest first: kind, actor, detail."""
    log = audit_log.verified(server.installation)
    return [
        (event.kind.removeprefix("work_order_"), event.actor or "", json.loads(event.detail or "{}"))
        for event in log.events
        if event.kind.startswith("work_order_")
    ]


async def _listed(caller: Caller, **wanted: object) -> list[str]:
    answer = await caller.work_orders.ListWorkOrders(ListWorkOrdersRequest(**wanted), timeout=30)
    return [listed.name for listed in answer.work_orders]


async def test_an_order_from_its_opening_to_its_end(server: Running, planner: Caller, station: Caller) -> None:
    """It lets through as many devices as were ordered, a raise lets through more, a closed one none.

    Each refusal has its reason, says what to do and carries the counts; the log tells of each change once, who made it,
    and from what to what.
    """
    opened = await open_order(planner, quantity=1, lines=["line-01"], registration_id_patterns=["device-*"])
    assert (opened.state, opened.issued, opened.HasField("close_time")) == (WorkOrder.STATE_OPEN, 0, False)
    await station.sign(ask("device-1", work_order="WO-17"))

    exhausted = await refused(station.sign(ask("device-2", work_order="WO-17")))
    assert (exhausted.reason, exhausted.action) == ("WORK_ORDER_EXHAUSTED", "ask_planner")
    assert exhausted.message == "work order WO-17: 1 of 1 issued; ask the planner to raise it"
    assert exhausted.metadata == (("issued", "1"), ("quantity", "1"))

    raised = await update_order(planner, quantity=3)
    assert (raised.quantity, raised.issued) == (3, 1)
    assert raised.etag != opened.etag
    await station.sign(ask("device-2", work_order="WO-17"))

    closed = await close_order(planner)
    assert (closed.state, closed.HasField("close_time")) == (WorkOrder.STATE_CLOSED, True)
    shut = await refused(station.sign(ask("device-3", work_order="WO-17")))
    assert (shut.reason, shut.message) == (
        "WORK_ORDER_CLOSED",
        "work order WO-17 is closed; ask the planner to reopen it",
    )
    reopened = await reopen_order(planner)
    assert (reopened.state, reopened.HasField("close_time")) == (WorkOrder.STATE_OPEN, False)
    assert len({opened.etag, raised.etag, closed.etag, reopened.etag}) == 4
    await station.sign(ask("device-3", work_order="WO-17"))
    assert (await get_order(station)).issued == 3

    told = await _events(server)
    assert [(kind, actor) for kind, actor, _ in told] == [
        (kind, PLANNER) for kind in ("opened", "updated", "closed", "reopened")
    ]
    assert told[0][2] == {
        "work_order": "WO-17",
        "profile": "device",
        "quantity": "1",
        "replacement_limit": "0",
        "lines": "line-01",
        "registration_id_patterns": "device-*",
    }
    assert told[1][2] == {"work_order": "WO-17", "quantity": "3", "quantity_before": "1"}
    assert told[2][2]["issued"] == "2"


async def test_the_history_of_orders_can_be_listed(server: Running, planner: Caller) -> None:
    """An auditor finds the events by their kinds."""
    await open_order(planner)
    await close_order(planner)
    request = ListEventsRequest(kinds=["work_order_opened", "work_order_closed"])
    answer = await server.caller(AUDITOR).audit.ListEvents(request, timeout=30)
    assert [(event.kind, event.actor) for event in answer.events] == [
        ("work_order_closed", PLANNER),
        ("work_order_opened", PLANNER),
    ]


async def test_every_change_may_be_sent_again(server: Running, planner: Caller) -> None:
    """What is there already is answered as it stands, and the log does not tell of it twice."""
    for change in (open_order, close_order, reopen_order):
        first, again = await change(planner), await change(planner)
        assert first == again
    assert await update_order(planner, quantity=20) == await update_order(planner, quantity=20)
    # Lists have no order, and no doubles.
    await open_order(planner, "WO-18", lines=["a", "b"])
    await open_order(planner, "WO-18", lines=["b", "a", "b"])
    told = [kind for kind, _, _ in await _events(server)]
    assert told == ["opened", "closed", "reopened", "updated", "opened"]
    turned = [await update_order(planner, "WO-18", lines=lines) for lines in (["a", "b"], ["b", "a"])]
    assert turned[0] == turned[1]
    assert len(await _events(server)) == len(told)


@pytest.mark.parametrize(
    "other",
    [{"quantity": 11}, {"replacement_limit": 1}, {"lines": ["line-01"]}, {"registration_id_patterns": ["a*"]}],
    ids=lambda other: next(iter(other)),
)
async def test_an_order_with_other_content_is_there(planner: Caller, other: dict[str, object]) -> None:
    """A second order of the same name is refused, and the first one stays."""
    first = await open_order(planner)
    refusal = await refused(open_order(planner, **other))
    assert (refusal.reason, refusal.action) == ("WORK_ORDER_EXISTS", "ask_planner")
    assert next(iter(other)) in refusal.message
    assert await get_order(planner) == first


async def test_opening_is_not_reopening(planner: Caller) -> None:
    """A late retry of the opening does not bring a closed order back."""
    await open_order(planner)
    closed = await close_order(planner)
    assert (await refused(open_order(planner))).reason == "WORK_ORDER_EXISTS"
    assert await get_order(planner) == closed


async def test_an_update_of_what_has_changed_is_refused(planner: Caller, station: Caller) -> None:
    """An etag of before the last change is refused; what is issued does not change it."""
    opened = await open_order(planner)
    await station.sign(ask("device-1", work_order="WO-17"))
    raised = await update_order(planner, quantity=20, etag=opened.etag)
    refusal = await refused(update_order(planner, quantity=30, etag=opened.etag))
    assert (refusal.status, refusal.reason) == ("ABORTED", "WORK_ORDER_CHANGED")
    assert (await update_order(planner, quantity=30, etag=raised.etag)).quantity == 30


async def test_the_quantity_never_falls_below_what_is_issued(planner: Caller, station: Caller) -> None:
    """It may fall to what is issued; the refusal tells both numbers. The same holds for replacements."""
    await open_order(planner, replacement_limit=2)
    for number in range(2):
        await station.sign(ask(f"device-{number}", work_order="WO-17"))
    await station.sign(ask("device-1", replacement_reason=LOST))
    refusal = await refused(update_order(planner, quantity=1))
    assert (refusal.reason, refusal.metadata) == ("WORK_ORDER_BELOW_ISSUED", (("issued", "2"), ("quantity", "1")))
    fewer = await refused(update_order(planner, mask=["replacement_limit"]))
    assert fewer.metadata == (("replacement_limit", "0"), ("replacements", "1"))
    lowered = await update_order(planner, quantity=2, replacement_limit=1)
    assert (lowered.quantity, lowered.replacement_limit, lowered.replacements) == (2, 1, 1)


async def test_a_mask_says_what_changes(planner: Caller) -> None:
    """What it does not name stays; what it names and is empty becomes empty; a star is all that can change."""
    await open_order(planner, lines=["line-01"], registration_id_patterns=["a-*"])
    changed = await update_order(planner, mask=["lines"], quantity=99, lines=["line-02"])
    assert (changed.quantity, changed.lines, changed.registration_id_patterns) == (10, ["line-02"], ["a-*"])
    assert not (await update_order(planner, mask=["lines"])).lines
    whole = await update_order(planner, mask=["*"], quantity=5, replacement_limit=1)
    assert (whole.quantity, whole.replacement_limit, whole.registration_id_patterns) == (5, 1, [])


async def test_replacements_count_for_themselves(planner: Caller, station: Caller) -> None:
    """They take nothing of the quantity, have a limit of their own, and are possible after the order was closed."""
    await open_order(planner, quantity=1, replacement_limit=1)
    await station.sign(ask("device-1", work_order="WO-17"))
    await close_order(planner)
    await station.sign(ask("device-1", replacement_reason=LOST))
    refusal = await refused(station.sign(ask("device-1", replacement_reason=LOST)))
    assert (refusal.reason, refusal.action) == ("WORK_ORDER_REPLACEMENTS_EXHAUSTED", "ask_planner")
    assert refusal.message == ("work order WO-17: 1 of 1 replacements made; ask the planner to raise the limit")
    assert (await update_order(planner, replacement_limit=2)).state == WorkOrder.STATE_CLOSED
    await station.sign(ask("device-1", replacement_reason=LOST))
    order = await get_order(planner)
    assert (order.issued, order.replacements) == (1, 2)


async def test_only_expected_devices(planner: Caller, station: Caller) -> None:
    """Once an order lists devices, no other is issued for it, and one that is listed with a key needs that key."""
    await open_order(planner)
    await station.sign(ask("before", work_order="WO-17"))
    key = (await station.sign(ask("elsewhere"))).issued.public_key_sha256
    answer = await expect(
        planner,
        [Device(registration_id="Any-Key"), Device(registration_id="one-key", public_key_sha256=key.upper())],
    )
    assert (answer.imported, answer.already_there, answer.work_order.expected_devices) == (2, 0, 2)
    await station.sign(ask("any-key", work_order="WO-17"))
    for device in ("other", "one-key"):
        refusal = await refused(station.sign(ask(device, work_order="WO-17")))
        assert (refusal.reason, refusal.action) == ("DEVICE_NOT_EXPECTED", "ask_planner")
    await open_order(planner, "WO-18")
    mine = await station.sign(ask("keyed", validate_only=True))
    await expect(planner, [Device(registration_id="keyed", public_key_sha256=mine.issued.public_key_sha256)], "WO-18")
    assert (await station.sign(ask("keyed", key=device_key("keyed"), work_order="WO-18"))).issued.work_order == "WO-18"


async def test_an_import_may_be_sent_again(server: Running, planner: Caller) -> None:
    """What is listed already is counted and nothing else; the log tells of each chunk that was new."""
    await open_order(planner)
    devices = [Device(registration_id=f"device-{number}") for number in range(4_500)]
    first = await expect(planner, devices[:3_000], each=700)
    assert (first.imported, first.already_there) == (3_000, 0)
    again = await expect(planner, [*devices, devices[0]], each=4_000)
    assert (again.imported, again.already_there, again.work_order.expected_devices) == (1_500, 3_001, 4_500)
    assert again.work_order == await get_order(planner)
    told = [detail for kind, _, detail in await _events(server) if kind == "devices_imported"]
    assert [detail["expected_devices"] for detail in told] == ["1000", "2000", "3000", "4000", "4500"]
    assert sum(int(detail["imported"]) for detail in told) == 4_500


async def test_the_expected_devices_are_read_back(server: Running, planner: Caller) -> None:
    """Those of the order in portions, by registration ID byte by byte, with their keys; and from any one of them on."""
    await open_order(planner)
    await open_order(planner, "WO-18")
    names = ["A-1", "a.1", "a1", "a:1", "a_1", *(f"device-{number}" for number in range(2_100))]
    keys = {name.lower(): f"{index:064x}" if index % 2 else "" for index, name in enumerate(names)}
    await expect(planner, [Device(registration_id=name, public_key_sha256=keys[name.lower()]) for name in names])
    await expect(planner, [Device(registration_id="of-another")], "WO-18")
    for caller in (planner, server.caller(AUDITOR)):
        messages = await expected(caller)
        assert [len(message.devices) for message in messages] == [1_000, 1_000, 105]
        listed = [(device.registration_id, device.public_key_sha256) for each in messages for device in each.devices]
        assert listed == sorted(keys.items())
    (rest,) = await expected(planner, after=listed[1_500][0].upper())
    assert [(device.registration_id, device.public_key_sha256) for device in rest.devices] == listed[1_501:]
    assert await expected(planner, after=listed[-1][0]) == []


async def test_who_may_read_the_expected_devices(planner: Caller, station: Caller) -> None:
    """Not a station, whatever its orders; an order without a list is an empty stream, and a wrong field is named."""
    await open_order(planner)
    assert await expected(planner) == []
    assert (await refused(expected(station))).reason == "ROLE_MISSING"
    assert (await refused(expected(planner, "WO-404"))).reason == "WORK_ORDER_UNKNOWN"
    assert (await refused(expected(planner, ""))).field == "work_order"
    assert (await refused(expected(planner, after="not fine"))).field == "after_registration_id"


async def test_a_device_has_one_key(planner: Caller) -> None:
    """Listed with another key, in the same list or before, it is refused by name; what was there stays."""
    await open_order(planner)
    one, other = (Device(registration_id="device-1", public_key_sha256=digit * 64) for digit in "ab")
    both = await refused(expect(planner, [one, other]))
    assert (both.reason, both.field) == ("FIELD_INVALID", "devices.public_key_sha256")
    assert "device-1" in both.message
    assert (await get_order(planner)).expected_devices == 0
    await expect(planner, [one])
    for later in (other, Device(registration_id="DEVICE-1")):
        assert (await refused(expect(planner, [later]))).field == "devices.public_key_sha256"
    assert (await expect(planner, [one])).already_there == 1


async def test_what_an_import_needs(planner: Caller) -> None:
    """An order that is there, and one for the whole stream; without devices it tells how the order stands."""
    assert (await refused(expect(planner, [], "WO-404"))).reason == "WORK_ORDER_UNKNOWN"
    assert (await refused(expect(planner, [], ""))).field == "work_order"
    opened = await open_order(planner)
    assert (await expect(planner, [])).work_order == opened

    async def two_orders() -> AsyncIterator[ImportExpectedDevicesRequest]:
        for name in ("WO-17", "", "WO-18"):
            yield ImportExpectedDevicesRequest(work_order=name)

    assert (await refused(planner.work_orders.ImportExpectedDevices(two_orders(), timeout=30))).field == "work_order"
    bad = [Device(registration_id="fine"), Device(registration_id="not fine")]
    assert (await refused(expect(planner, bad))).field == "devices[1].registration_id"


async def test_devices_can_be_listed_before_any_is_issued(planner: Caller, station: Caller) -> None:
    """Closed meanwhile, an order takes its list and no device; reopened, it takes the listed ones."""
    await open_order(planner)
    await close_order(planner)
    assert (await expect(planner, [Device(registration_id="device-1")])).imported == 1
    assert (await refused(station.sign(ask("device-1", work_order="WO-17")))).reason == "WORK_ORDER_CLOSED"
    await reopen_order(planner)
    await station.sign(ask("device-1", work_order="WO-17"))
    assert (await refused(station.sign(ask("device-2", work_order="WO-17")))).reason == "DEVICE_NOT_EXPECTED"


async def test_a_station_sees_what_it_may_issue_for(server: Running, planner: Caller, station: Caller) -> None:
    """Orders of another line or profile do not exist for it; planners and auditors see all."""
    installation = server.installation
    await open_order(planner, "any-line")
    await open_order(planner, "mine", lines=["line-01", "line-1"])
    await open_order(planner, "theirs", lines=["line-011"])
    await close_order(planner, "mine")
    assert await _listed(station) == ["any-line", "mine"]
    for caller in (planner, server.caller(AUDITOR)):
        assert await _listed(caller) == ["any-line", "mine", "theirs"]
    hidden, missing = await refused(get_order(station, "theirs")), await refused(get_order(station, "missing"))
    assert hidden.reason == missing.reason == "WORK_ORDER_UNKNOWN"
    assert hidden.message.replace("theirs", "") == missing.message.replace("missing", "")
    assert await _listed(planner, line="line-1") == ["any-line", "mine"]
    assert await _listed(planner, state=WorkOrder.STATE_CLOSED) == ["mine"]
    assert await _listed(planner, state=WorkOrder.STATE_OPEN) == ["any-line", "theirs"]
    assert installation.folder.exists()


async def test_a_station_learns_nothing_of_an_order_for_others(planner: Caller, station: Caller) -> None:
    """Whoever asks for a certificate of another line's order hears the same while it is open and once it is closed."""
    await open_order(planner, "theirs", lines=["line-011"])
    while_open = await refused(station.sign(ask("device-1", work_order="theirs")))
    await close_order(planner, "theirs")
    once_closed = await refused(station.sign(ask("device-1", work_order="theirs")))
    assert while_open.reason == once_closed.reason == "WORK_ORDER_NOT_ALLOWED"
    assert while_open.message == once_closed.message
    assert "line-011" not in once_closed.message


async def test_orders_come_in_pages(planner: Caller) -> None:
    """In the order of their names, byte by byte; a token is good for the same filter only."""
    names = ["A:1", "B", "a/b", "\u00e9", "\U0001f4e6"]
    for name in reversed(names):
        await open_order(planner, name)
    found, token = [], ""
    while True:
        request = ListWorkOrdersRequest(page_size=2, page_token=token)
        answer: ListWorkOrdersResponse = await planner.work_orders.ListWorkOrders(request, timeout=30)
        found += [order.name for order in answer.work_orders]
        token = answer.next_page_token or ""
        if not token:
            break
        other = ListWorkOrdersRequest(page_token=token, line="line-01")
        assert (await refused(planner.work_orders.ListWorkOrders(other, timeout=30))).reason == "PAGE_TOKEN_INVALID"
    assert found == names


async def test_only_planners_change_orders(server: Running, station: Caller, planner: Caller) -> None:
    """A station and an auditor may read, and no more."""
    await open_order(planner)
    for caller in (station, server.caller(AUDITOR)):
        assert (await get_order(caller)).name == "WO-17"
        for call in (open_order, update_order, close_order, reopen_order):
            assert (await refused(call(caller))).reason == "ROLE_MISSING"
        assert (await refused(expect(caller, []))).reason == "ROLE_MISSING"


async def test_orders_that_are_not_there(planner: Caller) -> None:
    """No method makes one by the way."""
    for call in (update_order(planner, quantity=1), close_order(planner), reopen_order(planner), get_order(planner)):
        refusal = await refused(call)
        assert (refusal.status, refusal.reason) == ("NOT_FOUND", "WORK_ORDER_UNKNOWN")
    assert not await _listed(planner)


async def test_a_wrong_field_is_named(planner: Caller) -> None:
    """As for every call: FIELD_INVALID, and which."""
    refusal = await refused(open_order(planner, quantity=0))
    assert (refusal.reason, refusal.field, refusal.action) == ("FIELD_INVALID", "work_order.quantity", "fix_station")
    assert (await refused(open_order(planner, profile="none"))).reason == "PROFILE_UNKNOWN"


async def test_open_orders_are_shown_to_prometheus(server: Running, planner: Caller, station: Caller) -> None:
    """Quantity and what is issued of each open order; a closed one is gone."""
    await open_order(planner)
    await station.sign(ask("device-1", work_order="WO-17"))
    lines = {
        'linecert_work_order_quantity{work_order="WO-17"} 10.0',
        'linecert_work_order_issued{work_order="WO-17"} 1.0',
    }
    await _shown(server, lambda shown: lines.issubset(shown.splitlines()))
    await close_order(planner)
    await _shown(server, lambda shown: "WO-17" not in shown)


async def _shown(server: Running, wanted: Callable[[str], bool]) -> None:
    """Wait until Prometheus is shown what is wanted."""
    while not wanted(await asyncio.to_thread(server.scrape)):  # noqa: ASYNC110 - nobody tells of a look
        await asyncio.sleep(0.02)
