"""WorkOrderService: planners open, change and close work orders, and name the devices that they expect."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing

from linecert.v1.work_order_pb2 import (
    CloseWorkOrderRequest,
    CloseWorkOrderResponse,
    ExportExpectedDevicesRequest,
    ExportExpectedDevicesResponse,
    GetWorkOrderRequest,
    GetWorkOrderResponse,
    ImportExpectedDevicesRequest,
    ImportExpectedDevicesResponse,
    ListWorkOrdersRequest,
    ListWorkOrdersResponse,
    OpenWorkOrderRequest,
    OpenWorkOrderResponse,
    ReopenWorkOrderRequest,
    ReopenWorkOrderResponse,
    UpdateWorkOrderRequest,
    UpdateWorkOrderResponse,
)
from linecert.v1.work_order_pb2 import WorkOrder as OrderMessage
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.domain.ports import WorkOrders
from linecert_service.domain.work_orders import (
    CloseOrder,
    ExpectedDevice,
    OrderChange,
    OrderChanged,
    ReopenOrder,
    WorkOrder,
    unknown_order,
)
from linecert_service.rpc import work_order_fields as order_fields
from linecert_service.rpc.dispatch import DEFAULT_DEADLINE_SECONDS, Call, Handler
from linecert_service.rpc.fields import timestamp
from linecert_service.rpc.filters import registration_key
from linecert_service.rpc.page_tokens import name_token, page_size, read_name_token
from linecert_service.rpc.visibility import visible_orders


class WorkOrderHandlers:
    """The methods of WorkOrderService. To a station only the orders that it may issue for exist.

    Args:
        orders: the work orders.
        profiles: the names of the profiles that there are.
        clock: the time.
    """

    def __init__(self, orders: WorkOrders, profiles: Collection[str], clock: Clock) -> None:
        self._orders = orders
        self._profiles = profiles
        self._clock = clock

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {
            "OpenWorkOrder": self.open_work_order,
            "UpdateWorkOrder": self.update_work_order,
            "CloseWorkOrder": self.close_work_order,
            "ReopenWorkOrder": self.reopen_work_order,
            "GetWorkOrder": self.get_work_order,
            "ListWorkOrders": self.list_work_orders,
            "ImportExpectedDevices": self.import_expected_devices,
            "ExportExpectedDevices": self.export_expected_devices,
        }

    async def open_work_order(self, message: OpenWorkOrderRequest, call: Call) -> OpenWorkOrderResponse:
        """Open an order, or find it open with the same content."""
        changed = await self._change(order_fields.open_order(message, self._profiles), call)
        return OpenWorkOrderResponse(work_order=order_message(changed.order))

    async def update_work_order(self, message: UpdateWorkOrderRequest, call: Call) -> UpdateWorkOrderResponse:
        """Change what can be changed of an order."""
        changed = await self._change(order_fields.update_order(message), call)
        return UpdateWorkOrderResponse(work_order=order_message(changed.order))

    async def close_work_order(self, message: CloseWorkOrderRequest, call: Call) -> CloseWorkOrderResponse:
        """Let an order take no new device."""
        changed = await self._change(CloseOrder(order_fields.order_name(message.name, "name")), call)
        return CloseWorkOrderResponse(work_order=order_message(changed.order))

    async def reopen_work_order(self, message: ReopenWorkOrderRequest, call: Call) -> ReopenWorkOrderResponse:
        """Let it take new devices again."""
        changed = await self._change(ReopenOrder(order_fields.order_name(message.name, "name")), call)
        return ReopenWorkOrderResponse(work_order=order_message(changed.order))

    async def get_work_order(self, message: GetWorkOrderRequest, call: Call) -> GetWorkOrderResponse:
        """One order."""
        name = order_fields.order_name(message.name, "name")
        order = await self._orders.find(name)
        visible = visible_orders(call.caller.station)
        if order is None or (visible and not visible.holds(order)):
            raise unknown_order(name, "name")
        return GetWorkOrderResponse(work_order=order_message(order))

    async def list_work_orders(self, message: ListWorkOrdersRequest, call: Call) -> ListWorkOrdersResponse:
        """A page of orders, in the order of their names."""
        size = page_size(message.page_size)
        wanted = order_fields.order_filter(message, visible_orders(call.caller.station))
        page = await self._orders.page(wanted, read_name_token(message.page_token, wanted), size)
        return ListWorkOrdersResponse(
            work_orders=map(order_message, page.orders),
            next_page_token="" if page.next_after is None else name_token(page.next_after, wanted),
        )

    async def import_expected_devices(
        self, messages: AsyncIterator[ImportExpectedDevicesRequest], call: Call
    ) -> ImportExpectedDevicesResponse:
        """Name the devices of an order, chunk by chunk: what is on disk stays, also when the stream breaks off."""
        answer = ImportExpectedDevicesResponse()
        async with aclosing(order_fields.expected_devices(messages)) as chunks:
            async for chunk in chunks:
                # A million devices take longer than the deadline of a call that states none.
                changed = await self._make(chunk, call, DEFAULT_DEADLINE_SECONDS)
                answer.imported += changed.added
                answer.already_there += len(chunk.devices) - changed.added
                answer.work_order.CopyFrom(order_message(changed.order))
        return answer

    async def export_expected_devices(
        self, message: ExportExpectedDevicesRequest, _call: Call
    ) -> AsyncGenerator[ExportExpectedDevicesResponse, None]:
        """The devices of an order, or those behind one of them."""
        name = order_fields.order_name(message.work_order, "work_order")
        behind = message.after_registration_id
        after = registration_key(behind, "after_registration_id") if behind else None
        if await self._orders.find(name) is None:
            raise unknown_order(name, "work_order")
        async with aclosing(self._orders.expected(name, after)) as portions:
            async for portion in portions:
                yield ExportExpectedDevicesResponse(devices=map(device_message, portion))

    async def _change(self, change: OrderChange, call: Call) -> OrderChanged:
        return await self._make(change, call, call.deadline - self._clock.monotonic())

    async def _make(self, change: OrderChange, call: Call, patience: float) -> OrderChanged:
        try:
            async with asyncio.timeout(patience):
                return await self._orders.change(change, call.caller.station.name)
        except TimeoutError:
            raise StoreUnavailable(
                "the audit store has not recorded the change before the deadline, and may do so later: send it again"
            ) from None


def device_message(device: ExpectedDevice) -> ImportExpectedDevicesRequest.Device:
    """An expected device as callers see it."""
    key_hash = device.spki_sha256
    return ImportExpectedDevicesRequest.Device(
        registration_id=device.registration_key, public_key_sha256="" if key_hash is None else key_hash.hex()
    )


def order_message(order: WorkOrder) -> OrderMessage:
    """A work order as callers see it."""
    return OrderMessage(
        name=order.name,
        lines=order.lines,
        profile=order.profile,
        quantity=order.quantity,
        issued=order.issued,
        replacement_limit=order.replacement_limit,
        replacements=order.replacements,
        registration_id_patterns=order.registration_id_patterns,
        expected_devices=order.expected_devices,
        state=OrderMessage.STATE_OPEN if order.open else OrderMessage.STATE_CLOSED,
        open_time=timestamp(order.open_time),
        close_time=None if order.close_time is None else timestamp(order.close_time),
        etag=order.etag,
    )
