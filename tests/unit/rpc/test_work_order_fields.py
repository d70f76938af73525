"""The form of planners' requests: each wrong field is named, and a stream never takes more memory than a chunk."""

from collections.abc import AsyncIterator, Iterable

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from linecert import contract
from linecert.v1.work_order_pb2 import (
    ImportExpectedDevicesRequest,
    ListWorkOrdersRequest,
    OpenWorkOrderRequest,
    UpdateWorkOrderRequest,
    WorkOrder,
)
from linecert_service.domain.errors import Refused
from linecert_service.domain.work_orders import ExpectDevices, OrderFilter
from linecert_service.rpc.work_order_fields import (
    CHUNK,
    expected_devices,
    open_order,
    order_filter,
    update_order,
)
from support.orders import Device, order

PROFILES = {"device": None, "gateway": None}


def refusal(error: Refused) -> tuple[str, str | None]:
    """Reason and field."""
    return contract.refusal(error.reason).name, error.field


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"name": ""}, "name"),
        ({"name": " WO-17"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"profile": ""}, "profile"),
        ({"profile": "no profile"}, "profile"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"replacement_limit": -1}, "replacement_limit"),
        ({"lines": ["a b"]}, "lines"),
        ({"lines": ["line-01", ""]}, "lines"),
        ({"lines": [f"line-{number}" for number in range(101)]}, "lines"),
        ({"registration_id_patterns": ["a*", "["]}, "registration_id_patterns[1]"),
        ({"registration_id_patterns": ["*" * 129]}, "registration_id_patterns[0]"),
        ({"registration_id_patterns": [f"a{number}*" for number in range(101)]}, "registration_id_patterns"),
    ],
)
def test_opening_names_the_wrong_field(changes: dict[str, object], field: str) -> None:
    """Nothing of what is wrong is echoed."""
    with pytest.raises(Refused) as caught:
        open_order(OpenWorkOrderRequest(work_order=order(**changes)), PROFILES)
    assert refusal(caught.value) == ("FIELD_INVALID", f"work_order.{field}")


def test_a_profile_that_is_not_there() -> None:
    """A planner is told which there are."""
    with pytest.raises(Refused, match="device, gateway") as caught:
        open_order(OpenWorkOrderRequest(work_order=order(profile="other")), PROFILES)
    assert refusal(caught.value) == ("PROFILE_UNKNOWN", "work_order.profile")


def test_the_only_profile_is_the_default() -> None:
    """Where there is one, it need not be named."""
    assert open_order(OpenWorkOrderRequest(work_order=order(profile="")), ["device"]).profile == "device"


def test_what_the_service_sets_is_ignored_in_an_opening() -> None:
    """Counts, state and etag that a planner sends along change nothing (AIP-203)."""
    plain = open_order(OpenWorkOrderRequest(work_order=order()), PROFILES)
    assert plain == open_order(OpenWorkOrderRequest(work_order=order(issued=7, state=2, etag="x")), PROFILES)


def test_lists_are_taken_without_doubles() -> None:
    """In their order."""
    opened = open_order(OpenWorkOrderRequest(work_order=order(lines=["b", "a", "b"])), PROFILES)
    assert opened.lines == ("b", "a")


@pytest.mark.parametrize(
    "mask, wanted",
    [
        ([], {"quantity": 10}),
        (["lines"], {"lines": ()}),
        (["quantity", "registration_id_patterns"], {"quantity": 10, "registration_id_patterns": ()}),
        (["*"], {"quantity": 10, "replacement_limit": 0, "lines": (), "registration_id_patterns": ()}),
    ],
    ids=str,
)
def test_the_mask_chooses(mask: list[str], wanted: dict[str, object]) -> None:
    """As AIP-134 says: what is named, all with a star, and without a mask what is set."""
    change = update_order(UpdateWorkOrderRequest(work_order=order(), update_mask=FieldMask(paths=mask)))
    fields = ("quantity", "replacement_limit", "lines", "registration_id_patterns")
    assert {field: value for field in fields if (value := getattr(change, field)) is not None} == wanted


@pytest.mark.parametrize(
    "message, field",
    [
        (UpdateWorkOrderRequest(), "update_mask"),
        (UpdateWorkOrderRequest(work_order=WorkOrder(name="WO-17")), "update_mask"),
        (UpdateWorkOrderRequest(work_order=order(""), update_mask={"paths": ["lines"]}), "work_order.name"),
        (
            UpdateWorkOrderRequest(work_order=order(quantity=0), update_mask={"paths": ["quantity"]}),
            "work_order.quantity",
        ),
        *(
            (UpdateWorkOrderRequest(work_order=order(), update_mask={"paths": [path]}), "update_mask")
            for path in ("profile", "name", "issued", "state", "work_order.quantity", "\x07")
        ),
    ],
    ids=str,
)
def test_an_update_names_the_wrong_field(message: UpdateWorkOrderRequest, field: str) -> None:
    """A mask that names what cannot change is refused as a whole, without an echo."""
    with pytest.raises(Refused) as caught:
        update_order(message)
    assert refusal(caught.value) == ("FIELD_INVALID", field)
    assert "\x07" not in caught.value.message


def test_a_filter() -> None:
    """State and line; other values are refused."""
    assert order_filter(ListWorkOrdersRequest(state=WorkOrder.STATE_CLOSED, line="a"), None) == OrderFilter(
        open=False, line="a"
    )
    for message in (ListWorkOrdersRequest(state=9), ListWorkOrdersRequest(line="a b")):  # type: ignore[arg-type]
        with pytest.raises(Refused):
            order_filter(message, None)


async def collected(messages: Iterable[Message]) -> list[ExpectDevices]:
    """The chunks of a stream."""

    async def stream() -> AsyncIterator[ImportExpectedDevicesRequest]:
        for message in messages:
            assert isinstance(message, ImportExpectedDevicesRequest)
            yield message

    return [chunk async for chunk in expected_devices(stream())]


def listing(name: str, *devices: str, key: str = "") -> ImportExpectedDevicesRequest:
    """A message with devices."""
    return ImportExpectedDevicesRequest(
        work_order=name, devices=[Device(registration_id=device, public_key_sha256=key) for device in devices]
    )


async def test_messages_become_chunks_whatever_their_size() -> None:
    """Small ones are gathered, a large one is divided, nothing is lost, and the order follows the stream's."""
    names = [f"device-{number}" for number in range(2 * CHUNK + 3)]
    small = [listing("WO-17", name) for name in names]
    for stream in (small, [listing("WO-17", *names)]):
        chunks = await collected(stream)
        assert [len(chunk.devices) for chunk in chunks] == [CHUNK, CHUNK, 3]
        assert [device.registration_key for chunk in chunks for device in chunk.devices] == names


async def test_a_chunk_leaves_before_the_next_message_is_read() -> None:
    """Of a stream without an end no more is held than a chunk."""
    read = 0

    async def endless() -> AsyncIterator[ImportExpectedDevicesRequest]:
        nonlocal read
        while True:
            read += 1
            yield listing("WO-17", f"device-{read}")

    chunks = expected_devices(endless())
    for number in range(1, 3):
        await anext(chunks)
        assert read == number * CHUNK
    await chunks.aclose()


async def test_ids_and_keys_are_compared_in_one_form() -> None:
    """IDs without case, keys as octets; the order need be named once."""
    (chunk,) = await collected([listing("WO-17", "Device-1", key="AB" * 32), listing("", "DEVICE-2")])
    assert chunk == ExpectDevices("WO-17", [("device-1", b"\xab" * 32), ("device-2", None)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "stream, field",
    [
        ([], "work_order"),
        ([listing("")], "work_order"),
        ([listing("a\tb")], "work_order"),
        ([listing("WO-17"), listing("WO-18")], "work_order"),
        ([listing("WO-17", "fine", "")], "devices[1].registration_id"),
        ([listing("WO-17", "not fine")], "devices[0].registration_id"),
        ([listing("WO-17", "fine", key="ab")], "devices[0].public_key_sha256"),
        ([listing("WO-17", "fine", key="x" * 64)], "devices[0].public_key_sha256"),
    ],
    ids=str,
)
async def test_an_import_names_the_wrong_field(stream: list[Message], field: str) -> None:
    """With the device's place in its message."""
    with pytest.raises(Refused) as caught:
        await collected(stream)
    assert refusal(caught.value) == ("FIELD_INVALID", field)
