"""The form of a planner's requests: from messages to changes of work orders, or FIELD_INVALID and its kin."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from linecert import registration_id as registration_ids
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert.v1.work_order_pb2 import (
    ImportExpectedDevicesRequest,
    ListWorkOrdersRequest,
    OpenWorkOrderRequest,
    UpdateWorkOrderRequest,
    WorkOrder,
)
from linecert_service.domain.errors import Refused
from linecert_service.domain.work_orders import (
    ExpectDevices,
    ExpectedDevice,
    OpenOrder,
    OrderFilter,
    OrderScope,
    UpdateOrder,
)
from linecert_service.policy import patterns
from linecert_service.rpc import fields

MAX_LIST: Final = 100
"""Lines, or patterns, of an order."""
MAX_PATTERN: Final = 128
CHUNK: Final = 1_000
"""Expected devices in one transaction, which holds up what is issued for some ten milliseconds."""

_STATES: Final = {
    WorkOrder.STATE_UNSPECIFIED: None,
    WorkOrder.STATE_OPEN: True,
    WorkOrder.STATE_CLOSED: False,
}


def order_name(value: str, field: str) -> str:
    """The name of a work order, as an MES calls it.

    Raises:
        Refused: FIELD_INVALID.
    """
    name = fields.text(value, field)
    if name is None:
        raise _invalid(field, "must be set: the name of the work order")
    return name


def open_order(message: OpenWorkOrderRequest, profiles: Collection[str]) -> OpenOrder:
    """The order to be opened; what only the service sets (counts, state, times, etag) is ignored.

    Args:
        message: the request.
        profiles: the names of the profiles that there are; the only one is the default.

    Raises:
        Refused: FIELD_INVALID, PROFILE_UNKNOWN.
    """
    order = message.work_order
    return OpenOrder(
        name=order_name(order.name, "work_order.name"),
        profile=_profile(order.profile, profiles),
        quantity=_quantity(order),
        replacement_limit=_replacement_limit(order),
        lines=_lines(order),
        registration_id_patterns=_patterns(order),
    )


def update_order(message: UpdateWorkOrderRequest) -> UpdateOrder:
    """What is to change of an order, by the rules of AIP-134: without a mask, what is set; `*`: all that can change.

    Raises:
        Refused: FIELD_INVALID.
    """
    order = message.work_order
    values = {field: _CHANGEABLE[field](order) for field in _masked(message)}
    return UpdateOrder(order_name(order.name, "work_order.name"), order.etag or None, **values)


def order_filter(message: ListWorkOrdersRequest, visible: OrderScope | None) -> OrderFilter:
    """Which orders are asked for; `visible` are those that the caller may see.

    Raises:
        Refused: FIELD_INVALID.
    """
    if message.state not in _STATES:
        raise _invalid("state", "has a value that this version does not know")
    return OrderFilter(visible, _STATES[message.state], fields.name(message.line, "line"))


async def expected_devices(
    messages: AsyncIterator[ImportExpectedDevicesRequest],
) -> AsyncGenerator[ExpectDevices, None]:
    """The devices of a stream in chunks, at least one, of which the last may be empty.

    No more of the stream is held than a message and a chunk.

    Raises:
        Refused: FIELD_INVALID; what was given before is of the right form.
    """
    name = ""
    waiting: list[ExpectedDevice] = []
    async for message in messages:
        name = _same_order(name, message.work_order)
        for index, device in enumerate(message.devices):
            waiting.append(_device(device, index))
            if len(waiting) == CHUNK:
                yield ExpectDevices(name, waiting)
                waiting = []
    yield ExpectDevices(order_name(name, "work_order"), waiting)


def _same_order(before: str, named: str) -> str:
    if before and named in ("", before):
        return before
    name = order_name(named, "work_order")
    if before:
        raise _invalid("work_order", "must be the same in all messages of a stream")
    return name


def _device(device: ImportExpectedDevicesRequest.Device, index: int) -> ExpectedDevice:
    try:
        key = registration_ids.key(registration_ids.check(device.registration_id))
    except registration_ids.RegistrationIdError as error:
        raise _invalid(f"devices[{index}].registration_id", f"is no registration ID: {error}") from None
    spki = device.public_key_sha256
    return ExpectedDevice(key, fields.sha256(spki, f"devices[{index}].public_key_sha256") if spki else None)


def _profile(value: str, profiles: Collection[str]) -> str:
    field = "work_order.profile"
    name = fields.name(value, field)
    if name is None and len(profiles) == 1:
        return next(iter(profiles))
    if name is None:
        raise _invalid(field, "must be set: the profile of the order's certificates")
    if name not in profiles:
        raise _invalid(
            field,
            f"is {name}, which is no profile of this service; it has {', '.join(sorted(profiles))}",
            reasons.ERROR_REASON_PROFILE_UNKNOWN,
        )
    return name


def _quantity(order: WorkOrder) -> int:
    if order.quantity < 1:
        raise _invalid("work_order.quantity", "must be at least 1; to end an order, close it")
    return order.quantity


def _replacement_limit(order: WorkOrder) -> int:
    if order.replacement_limit < 0:
        raise _invalid("work_order.replacement_limit", "must not be negative")
    return order.replacement_limit


def _lines(order: WorkOrder) -> tuple[str, ...]:
    field = "work_order.lines"
    if not all(fields.name(line, field) for line in order.lines):
        raise _invalid(field, "must not have an empty name; without any, the order is for every line")
    return _distinct(order.lines, field)


def _patterns(order: WorkOrder) -> tuple[str, ...]:
    field = "work_order.registration_id_patterns"
    for index, pattern in enumerate(order.registration_id_patterns):
        if len(pattern) > MAX_PATTERN:
            raise _invalid(f"{field}[{index}]", f"must have at most {MAX_PATTERN} characters")
        try:
            patterns.check(pattern)
        except ValueError as error:
            raise _invalid(f"{field}[{index}]", f"is no pattern of registration IDs: it {error}") from None
    return _distinct(order.registration_id_patterns, field)


def _distinct(values: Sequence[str], field: str) -> tuple[str, ...]:
    if len(values) > MAX_LIST:
        raise _invalid(field, f"has {len(values)} entries, at most {MAX_LIST} are taken")
    return tuple(dict.fromkeys(values))


_CHANGEABLE: Final[Mapping[str, Callable[[WorkOrder], Any]]] = {
    "quantity": _quantity,
    "replacement_limit": _replacement_limit,
    "lines": _lines,
    "registration_id_patterns": _patterns,
}


def _masked(message: UpdateWorkOrderRequest) -> list[str]:
    asked = set(message.update_mask.paths)
    if asked == {"*"}:
        return list(_CHANGEABLE)
    if not asked.issubset(_CHANGEABLE):
        raise _invalid("update_mask", f"names what cannot be changed; it takes {', '.join(_CHANGEABLE)}")
    if chosen := [field for field in _CHANGEABLE if field in (asked or _set_in(message.work_order))]:
        return chosen
    raise _invalid("update_mask", f"must name what is to be changed, of {', '.join(_CHANGEABLE)}")


def _set_in(order: WorkOrder) -> set[str]:
    return {descriptor.name for descriptor, _ in order.ListFields()}


def _invalid(field: str, problem: str, reason: ErrorReason = reasons.ERROR_REASON_FIELD_INVALID) -> Refused:
    return Refused(reason, f"{field} {problem}", field=field)
