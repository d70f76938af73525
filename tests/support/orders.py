"""Planners' requests for tests: good by default, with one thing changed per case."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from linecert.v1.work_order_pb2 import (
    CloseWorkOrderRequest,
    ExportExpectedDevicesRequest,
    ExportExpectedDevicesResponse,
    GetWorkOrderRequest,
    ImportExpectedDevicesRequest,
    ImportExpectedDevicesResponse,
    OpenWorkOrderRequest,
    ReopenWorkOrderRequest,
    UpdateWorkOrderRequest,
    WorkOrder,
)
from support.server import Caller

Device = ImportExpectedDevicesRequest.Device


def order(name: str = "WO-17", **changes: Any) -> WorkOrder:
    """A work order of profile `device` for ten devices."""
    return WorkOrder(**({"name": name, "profile": "device", "quantity": 10} | changes))


async def open_order(planner: Caller, name: str = "WO-17", **changes: Any) -> WorkOrder:
    """Open an order; it as it stands then."""
    answer = await planner.work_orders.OpenWorkOrder(
        OpenWorkOrderRequest(work_order=order(name, **changes)), timeout=30
    )
    return _of(answer)


async def update_order(planner: Caller, name: str = "WO-17", *, mask: Iterable[str] = (), **changes: Any) -> WorkOrder:
    """Change an order; without a mask, what `changes` set."""
    request = UpdateWorkOrderRequest(
        work_order=WorkOrder(name=name, **changes), update_mask=FieldMask(paths=mask) if mask else None
    )
    return _of(await planner.work_orders.UpdateWorkOrder(request, timeout=30))


async def close_order(planner: Caller, name: str = "WO-17") -> WorkOrder:
    """Close an order."""
    return _of(await planner.work_orders.CloseWorkOrder(CloseWorkOrderRequest(name=name), timeout=30))


async def reopen_order(planner: Caller, name: str = "WO-17") -> WorkOrder:
    """Open it again."""
    return _of(await planner.work_orders.ReopenWorkOrder(ReopenWorkOrderRequest(name=name), timeout=30))


async def get_order(caller: Caller, name: str = "WO-17") -> WorkOrder:
    """An order as it stands."""
    return _of(await caller.work_orders.GetWorkOrder(GetWorkOrderRequest(name=name), timeout=30))


async def expect(
    planner: Caller, devices: Iterable[Device], name: str = "WO-17", *, each: int = 1_000
) -> ImportExpectedDevicesResponse:
    """Import devices, `each` in a message; none: in a stream of one message that holds none."""
    listed = list(devices)

    async def messages() -> AsyncIterator[ImportExpectedDevicesRequest]:
        for start in range(0, max(len(listed), 1), each):
            yield ImportExpectedDevicesRequest(work_order=name, devices=listed[start : start + each])

    answer: ImportExpectedDevicesResponse = await planner.work_orders.ImportExpectedDevices(messages(), timeout=60)
    return answer


async def expected(caller: Caller, name: str = "WO-17", *, after: str = "") -> list[ExportExpectedDevicesResponse]:
    """The messages of ExportExpectedDevices."""
    request = ExportExpectedDevicesRequest(work_order=name, after_registration_id=after)
    return [message async for message in caller.work_orders.ExportExpectedDevices(request, timeout=30)]


def _of(answer: Any) -> WorkOrder:
    order: WorkOrder = answer.work_order
    return order
