"""What the log tells of a change of a work order: one event for each, in the transaction of the change."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from linecert.transparency import canonical_json
from linecert_service.domain.events import NewEvent
from linecert_service.domain.work_orders import (
    CloseOrder,
    ExpectDevices,
    OpenOrder,
    OrderChange,
    OrderChanged,
    ReopenOrder,
    UpdateOrder,
    WorkOrder,
)

LIST_LENGTH: Final = 150
"""Of a list's text in an event, whose detail has at most 1,024 characters; a longer one stands as its hash."""

_KINDS: Final = {
    OpenOrder: "work_order_opened",
    UpdateOrder: "work_order_updated",
    CloseOrder: "work_order_closed",
    ReopenOrder: "work_order_reopened",
    ExpectDevices: "work_order_devices_imported",
}
_COUNTED: Final = ("quantity", "issued", "replacement_limit", "replacements")
_SET: Final = ("quantity", "replacement_limit", "lines", "registration_id_patterns")


def event_of(change: OrderChange, before: WorkOrder | None, changed: OrderChanged, actor: str) -> NewEvent:
    """The event of a change that was made.

    Args:
        change: what was asked for.
        before: the order as it was; None: there was none.
        changed: what was made of it.
        actor: who asked.
    """
    detail = {"work_order": change.name, **dict(_detail(change, before, changed))}
    return NewEvent(_KINDS[type(change)], actor=actor, detail=canonical_json(detail).decode())


def _detail(change: OrderChange, before: WorkOrder | None, changed: OrderChanged) -> Iterator[tuple[str, str]]:
    order = changed.order
    match change:
        case OpenOrder():
            yield "profile", order.profile
            yield from ((field, text) for field in _SET if (text := _text(order, field)))
        case UpdateOrder() if before:
            for field in _SET:
                if getattr(order, field) != getattr(before, field):
                    yield field, _text(order, field)
                    yield f"{field}_before", _text(before, field)
        case ExpectDevices():
            yield "imported", str(changed.added)
            yield "expected_devices", str(order.expected_devices)
        case _:
            yield from ((field, _text(order, field)) for field in _COUNTED)


def _text(order: WorkOrder, field: str) -> str:
    value = getattr(order, field)
    if not isinstance(value, tuple):
        return str(value)
    # Neither lines nor patterns have a space or a comma in them.
    text = ", ".join(value)
    return text if len(text) <= LIST_LENGTH else f"sha256:{sha256(text.encode()).hexdigest()}"
