"""Decides what becomes of a change of a work order. Pure: the order comes in as it stands, and goes out as it shall.

A change that is there already is no change: a planner who sends one again gets the order as it stands, and the log
tells of it once. Lines and patterns are compared without their order, and without what comes twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.work_orders import (
    CloseOrder,
    ExpectDevices,
    ExpectedDevice,
    OpenOrder,
    OrderChange,
    ReopenOrder,
    UpdateOrder,
    WorkOrder,
    unknown_order,
)

_CHANGEABLE = ("quantity", "replacement_limit", "lines", "registration_id_patterns")


def settle(change: OrderChange, order: WorkOrder | None, at: int) -> WorkOrder:
    """The order as it is to be; `order` itself when that is nothing new.

    Args:
        change: what is asked for.
        order: of that name, as it stands; None: there is none.
        at: microseconds since 1970.

    Raises:
        Refused: WORK_ORDER_EXISTS, WORK_ORDER_UNKNOWN, WORK_ORDER_CHANGED, WORK_ORDER_BELOW_ISSUED.
    """
    if isinstance(change, OpenOrder):
        return _opened(change, order, at)
    if order is None:
        raise unknown_order(change.name, "work_order.name")
    match change:
        case UpdateOrder():
            return _updated(change, order)
        case CloseOrder():
            return replace(order, open=False, close_time=at, revision=order.revision + 1) if order.open else order
        case ReopenOrder():
            return order if order.open else replace(order, open=True, close_time=None, revision=order.revision + 1)
        case ExpectDevices():
            # Also of a closed one: who lists the devices before any is issued closes the order meanwhile.
            return order


def unlisted(change: ExpectDevices, known: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """Those of the devices that the order does not name yet, with their keys.

    Args:
        change: the devices.
        known: those of them that it names, with their keys.

    Raises:
        Refused: FIELD_INVALID, a device stands or comes twice with different keys.
    """
    listed = dict(known)
    for device in change.devices:
        if listed.setdefault(*device) != device.spki_sha256:
            raise _two_keys(change.name, device, listed[device.registration_key])
    return {key: spki for key, spki in listed.items() if key not in known}


def _opened(change: OpenOrder, order: WorkOrder | None, at: int) -> WorkOrder:
    if order is None:
        return WorkOrder(
            name=change.name,
            lines=change.lines,
            profile=change.profile,
            quantity=change.quantity,
            issued=0,
            replacement_limit=change.replacement_limit,
            replacements=0,
            registration_id_patterns=change.registration_id_patterns,
            expected_devices=0,
            open=True,
            open_time=at,
            close_time=None,
            revision=1,
        )
    if not order.open:
        raise _exists(order, "is closed; reopen it, or choose another name")
    if differing := list(_differing(change, order)):
        raise _exists(order, f"is open with another {', '.join(differing)}; update it, or choose another name")
    return order


def _differing(change: OpenOrder, order: WorkOrder) -> Iterator[str]:
    """In what an order is not as it is to be opened."""
    for field in ("profile", *_CHANGEABLE):
        if not _same(getattr(change, field), getattr(order, field)):
            yield field


def _same(asked: object, stands: object) -> bool:
    if isinstance(asked, tuple) and isinstance(stands, tuple):
        return set(asked) == set(stands)
    return asked == stands


def _updated(change: UpdateOrder, order: WorkOrder) -> WorkOrder:
    if change.etag is not None and change.etag != order.etag:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_CHANGED,
            f"work order {order.name} is not what it was when this update was made: read it again, and decide anew",
            field="work_order.etag",
        )
    wanted = {
        field: value
        for field in _CHANGEABLE
        if (value := getattr(change, field)) is not None and not _same(value, getattr(order, field))
    }
    after = replace(order, **wanted)
    _check_counts(after)
    return order if after == order else replace(after, revision=order.revision + 1)


def _check_counts(order: WorkOrder) -> None:
    if order.quantity < order.issued:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_BELOW_ISSUED,
            f"work order {order.name}: {order.issued} are issued, so its quantity cannot become {order.quantity}; to "
            "end it now, close it",
            field="work_order.quantity",
            metadata={"quantity": str(order.quantity), "issued": str(order.issued)},
        )
    if order.replacement_limit < order.replacements:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_BELOW_ISSUED,
            f"work order {order.name}: {order.replacements} replacements are made, so its limit cannot become "
            f"{order.replacement_limit}",
            field="work_order.replacement_limit",
            metadata={
                "replacement_limit": str(order.replacement_limit),
                "replacements": str(order.replacements),
            },
        )


def _exists(order: WorkOrder, how: str) -> Refused:
    return Refused(
        reasons.ERROR_REASON_WORK_ORDER_EXISTS,
        f"work order {order.name} is there already and {how}",
        field="work_order.name",
    )


def _two_keys(name: str, device: ExpectedDevice, stands: bytes | None) -> Refused:
    there, asked = (spki.hex() if spki else "none" for spki in (stands, device.spki_sha256))
    return Refused(
        reasons.ERROR_REASON_FIELD_INVALID,
        f"work order {name} lists {device.registration_key} with the key {there}, and this list with {asked}: a device "
        "is listed once, and what is listed stays; correct the list and send it again",
        field="devices.public_key_sha256",
    )
