"""A fake service with work orders in memory, that keeps the rules which a client has to know of."""

import itertools
from collections.abc import Iterator
from typing import Any

import grpc

from linecert.v1 import audit_pb2, issuance_pb2, work_order_pb2
from linecert.v1.work_order_pb2 import WorkOrder
from linecert.v1.work_order_pb2_grpc import WorkOrderServiceServicer, add_WorkOrderServiceServicer_to_server
from support.client_pki import Identity
from support.fake_service import FakeService, Step, fail, refuse

_BURST = 3


class PlannerService(FakeService, WorkOrderServiceServicer):
    """The server.

    Attributes:
        orders: by name.
        expected: registration IDs and key hashes by order.
        records: what was issued, in the order of the log.
        imports: the sizes of the messages of each import.
    """

    def __init__(self, identity: Identity, client_ca: Identity) -> None:
        super().__init__(identity, client_ca)
        self.orders: dict[str, WorkOrder] = {}
        self.expected: dict[str, dict[str, str]] = {}
        self.records: list[issuance_pb2.IssuedCertificate] = []
        self.imports: list[list[int]] = []
        self._etags = itertools.count(1)
        add_WorkOrderServiceServicer_to_server(self, self._server)

    def order(self, name: str, **fields: Any) -> WorkOrder:
        """Put an open order there."""
        order = WorkOrder(name=name, state=WorkOrder.STATE_OPEN, **fields)
        self.orders[name] = self._changed(order)
        return order

    def issue_for(self, name: str, registration_id: str, *, reason: str = "") -> str:
        """Put a certificate on record, a replacement where there is a reason; its serial number."""
        log_index = len(self.records)
        before = [issued for issued in self.records if issued.registration_id == registration_id]
        issued = issuance_pb2.IssuedCertificate(
            serial_number=f"{0x4000 + log_index:040x}",
            registration_id=registration_id,
            generation=len(before) + 1,
            work_order=name,
            replaces_serial_number=before[-1].serial_number if before else "",
            replacement_reason=f"REPLACEMENT_REASON_{reason}" if reason else None,
            certificate=b"DER",
            log_index=log_index,
        )
        self.records.append(issued)
        if name in self.orders:
            self.orders[name].issued += not before
            self.orders[name].replacements += bool(before)
        return str(issued.serial_number)

    def OpenWorkOrder(self, request: Any, context: grpc.ServicerContext) -> Any:
        """New, or as it stands where nothing but counts differs."""
        self._next(request, context)
        wanted = request.work_order
        stands = self.orders.get(wanted.name)
        if stands is None:
            if wanted.profile == "unknown":
                refuse("PROFILE_UNKNOWN", "NOT_FOUND", "ask_planner", message="no such profile")(self, request, context)
            wanted.state = WorkOrder.STATE_OPEN
            stands = self.orders[wanted.name] = self._changed(wanted)
        elif wanted.quantity != stands.quantity or stands.state != WorkOrder.STATE_OPEN:
            message = f"work order {wanted.name} is there already"
            refuse("WORK_ORDER_EXISTS", "ALREADY_EXISTS", "ask_planner", message=message)(self, request, context)
        return work_order_pb2.OpenWorkOrderResponse(work_order=stands)

    def UpdateWorkOrder(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The fields of the mask, for the etag that the order has."""
        lost = self._next(request, context)
        order = self._known(request.work_order.name, request, context)
        if request.work_order.etag not in ("", order.etag):
            refuse("WORK_ORDER_CHANGED", "ABORTED", "retry")(self, request, context)
        for path in request.update_mask.paths:
            order.ClearField(path)
        request.update_mask.MergeMessage(request.work_order, order)
        self._changed(order)
        if lost:
            lost(self, request, context)
        return work_order_pb2.UpdateWorkOrderResponse(work_order=order)

    def CloseWorkOrder(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Whatever its state."""
        self._next(request, context)
        order = self._known(request.name, request, context)
        order.state = WorkOrder.STATE_CLOSED
        order.close_time.GetCurrentTime()
        return work_order_pb2.CloseWorkOrderResponse(work_order=self._changed(order))

    def ReopenWorkOrder(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Whatever its state."""
        self._next(request, context)
        order = self._known(request.name, request, context)
        order.state = WorkOrder.STATE_OPEN
        order.ClearField("close_time")
        return work_order_pb2.ReopenWorkOrderResponse(work_order=self._changed(order))

    def GetWorkOrder(self, request: Any, context: grpc.ServicerContext) -> Any:
        """By name."""
        self._next(request, context)
        return work_order_pb2.GetWorkOrderResponse(work_order=self._known(request.name, request, context))

    def ListWorkOrders(self, request: Any, context: grpc.ServicerContext) -> Any:
        """By state and line, in pages."""
        self._next(request, context)
        found = [
            order
            for order in self.orders.values()
            if request.state in (0, order.state) and (not request.line or request.line in order.lines)
        ]
        start = int(request.page_token or 0)
        end = start + request.page_size
        return work_order_pb2.ListWorkOrdersResponse(
            work_orders=found[start:end], next_page_token=str(end) if end < len(found) else ""
        )

    def ImportExpectedDevices(self, messages: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """All of a call or nothing."""
        received = list(messages)
        self.imports.append([len(message.devices) for message in received])
        lost = self._next(received[0], context)
        order = self._known(received[0].work_order, received[0], context)
        listed = self.expected.setdefault(order.name, {})
        new = {
            device.registration_id: device.public_key_sha256
            for message in received
            for device in message.devices
            if device.registration_id not in listed
        }
        listed.update(new)
        order.expected_devices = len(listed)
        if lost:
            lost(self, received[0], context)
        total = sum(self.imports[-1])
        return work_order_pb2.ImportExpectedDevicesResponse(
            work_order=order, imported=len(new), already_there=total - len(new)
        )

    def ExportExpectedDevices(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Behind the one that is named, by registration ID in lower case."""
        lost = self._next(request, context)
        self._known(request.work_order, request, context)
        keys = {device.lower(): key for device, key in self.expected.get(request.work_order, {}).items()}
        found = [
            work_order_pb2.ImportExpectedDevicesRequest.Device(registration_id=device, public_key_sha256=keys[device])
            for device in sorted(keys)
            if device > request.after_registration_id.lower()
        ]
        for start in range(0, len(found), _BURST):
            yield work_order_pb2.ExportExpectedDevicesResponse(devices=found[start : start + _BURST])
            if lost:
                lost(self, request, context)

    def ExportIssuedCertificates(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Oldest first, of one order."""
        self._next(request, context)
        found = [
            issued
            for issued in self.records
            if issued.work_order == request.filter.work_order
            and (not request.filter.HasField("after_log_index") or issued.log_index > request.filter.after_log_index)
        ]
        for start in range(0, len(found), _BURST):
            yield audit_pb2.ExportIssuedCertificatesResponse(issued=found[start : start + _BURST])

    def _known(self, name: str, request: Any, context: grpc.ServicerContext) -> WorkOrder:
        if name not in self.orders:
            message = f"there is no work order {name}"
            refuse("WORK_ORDER_UNKNOWN", "NOT_FOUND", "ask_planner", message=message)(self, request, context)
        return self.orders[name]

    def _changed(self, order: WorkOrder) -> WorkOrder:
        order.etag = f"etag-{next(self._etags)}"
        return order


def lose_done(status: str = "UNAVAILABLE") -> Step:
    """A step that carries an update or an import out, and whose answer never arrives.

    Of the expected devices it lets one message through.
    """

    def step(_: FakeService, __: Any, ___: grpc.ServicerContext) -> Step:
        return fail(status)

    return step
