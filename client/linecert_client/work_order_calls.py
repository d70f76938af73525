"""The client's methods for work orders: what a planner or an MES calls."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from linecert.v1 import work_order_pb2
from linecert_client.calls import Calls
from linecert_client.channels import Server
from linecert_client.errors import Refused
from linecert_client.progress import Progress, silent
from linecert_client.work_orders import ExpectedDevice, ImportResult, State, WorkOrder

MESSAGE_DEVICES: Final = 1_000
"""Devices a message: at most some 140 KB of them, far below the service's limit of 9 MiB."""

PORTION_DEVICES: Final = 10_000
"""Devices a call. What a lost connection makes the client send again, and hold in memory for that."""


class WorkOrderCalls(Calls):
    """The methods of WorkOrderService. Every one may be repeated; planners change orders, see work_order.proto."""

    def open_work_order(
        self,
        name: str,
        quantity: int,
        *,
        profile: str | None = None,
        lines: Sequence[str] = (),
        registration_id_patterns: Sequence[str] = (),
        replacement_limit: int = 0,
        deadline: float | None = None,
    ) -> WorkOrder:
        """Open an order. One that is open with the same content is returned as it stands.

        Args:
            name: as the MES calls it: 1 to 64 printable characters.
            quantity: how many devices may get a certificate.
            profile: of their certificates.
            lines: that may make them; none: any.
            registration_id_patterns: `*` and `?` over the whole ID, without case; none: any ID.
            replacement_limit: how many certificates may be replaced.
            deadline: seconds, retries included.

        Raises:
            Refused: `WORK_ORDER_EXISTS` where it is there with other content, `PROFILE_UNKNOWN`, `FIELD_INVALID`.
        """
        order = work_order_pb2.WorkOrder(
            name=name,
            quantity=quantity,
            profile=profile or "",
            lines=lines,
            registration_id_patterns=registration_id_patterns,
            replacement_limit=replacement_limit,
        )
        request = work_order_pb2.OpenWorkOrderRequest(work_order=order)
        return _order(self._call(lambda server: server.work_orders.OpenWorkOrder, request, deadline))

    def update_work_order(
        self,
        name: str,
        *,
        quantity: int | None = None,
        replacement_limit: int | None = None,
        lines: Sequence[str] | None = None,
        registration_id_patterns: Sequence[str] | None = None,
        etag: str | None = None,
        deadline: float | None = None,
    ) -> WorkOrder:
        """Change an order; what is None stays.

        Args:
            name: of the order.
            quantity: not below what is issued.
            replacement_limit: how many certificates may be replaced.
            lines: that may make its devices; empty: any.
            registration_id_patterns: any of which an ID has to match; empty: any ID.
            etag: of the order as it was read: the change is refused where somebody else was faster.
            deadline: seconds, retries included.

        Raises:
            ValueError: nothing is to be changed.
            Refused: `WORK_ORDER_BELOW_ISSUED`, `WORK_ORDER_CHANGED` for another etag, `WORK_ORDER_UNKNOWN`.
        """
        stated = {
            "quantity": quantity,
            "replacement_limit": replacement_limit,
            "lines": lines,
            "registration_id_patterns": registration_id_patterns,
        }
        changes: dict[str, Any] = {field: value for field, value in stated.items() if value is not None}
        if not changes:
            raise ValueError("state what is to be changed")
        request = work_order_pb2.UpdateWorkOrderRequest(
            work_order=work_order_pb2.WorkOrder(name=name, etag=etag or "", **changes),
            update_mask=FieldMask(paths=list(changes)),
        )
        return self._update(request, deadline)

    def close_work_order(self, name: str, *, deadline: float | None = None) -> WorkOrder:
        """Close an order: it takes no new device; certificates may still be replaced.

        Args:
            name: of the order.
            deadline: seconds, retries included.
        """
        request = work_order_pb2.CloseWorkOrderRequest(name=name)
        return _order(self._call(lambda server: server.work_orders.CloseWorkOrder, request, deadline))

    def reopen_work_order(self, name: str, *, deadline: float | None = None) -> WorkOrder:
        """Open a closed order again.

        Args:
            name: of the order.
            deadline: seconds, retries included.
        """
        request = work_order_pb2.ReopenWorkOrderRequest(name=name)
        return _order(self._call(lambda server: server.work_orders.ReopenWorkOrder, request, deadline))

    def get_work_order(self, name: str, *, deadline: float | None = None) -> WorkOrder:
        """Read an order with its counts.

        Args:
            name: of the order.
            deadline: seconds, retries included.

        Raises:
            Refused: `WORK_ORDER_UNKNOWN` where there is none that this caller may see.
        """
        request = work_order_pb2.GetWorkOrderRequest(name=name)
        return _order(self._call(lambda server: server.work_orders.GetWorkOrder, request, deadline))

    def list_work_orders(
        self,
        *,
        state: State | None = None,
        line: str | None = None,
        page_size: int = 100,
        deadline: float | None = None,
    ) -> Iterator[tuple[WorkOrder, ...]]:
        """Read the orders page by page; the next page is fetched when it is asked for.

        Args:
            state: `open` or `closed`; both without it.
            line: whose devices they are for.
            page_size: at most 1,000.
            deadline: seconds for each page, retries included.

        Yields:
            Pages, of which any may be empty.
        """
        request = work_order_pb2.ListWorkOrdersRequest(
            state=f"STATE_{state.upper()}" if state else None, line=line or "", page_size=page_size
        )
        while True:
            answer = self._call(lambda server: server.work_orders.ListWorkOrders, request, deadline)
            yield tuple(WorkOrder.from_proto(order) for order in answer.work_orders)
            request.page_token = answer.next_page_token
            if not request.page_token:
                return

    def import_expected_devices(
        self,
        name: str,
        devices: Iterable[ExpectedDevice],
        *,
        progress: Progress = silent,
        deadline: float | None = None,
    ) -> ImportResult:
        """List the devices of an order one by one; once it has any, no other device is issued for it.

        The devices go out in portions of `PORTION_DEVICES`, a call each, so that any number fits into memory. After an
        interruption run the whole import again: what is on the list already is counted and stays.

        Args:
            name: of the order.
            devices: taken one by one.
            progress: is told how many more the service has on record.
            deadline: seconds for each portion, retries included.

        Raises:
            ValueError: there is no device.
            Refused: `WORK_ORDER_UNKNOWN`, or a device that the service refuses.
        """
        imported = already_there = 0
        order = None
        for portion in _portions(devices):
            messages = _messages(name, portion)
            answer = self._call(_import, messages, deadline)
            imported += answer.imported
            already_there += answer.already_there
            order = _order(answer)
            progress(len(portion))
        if order is None:
            raise ValueError("there is no device to import")
        return ImportResult(order, imported, already_there)

    def expected_devices(self, name: str, *, deadline: float | None = None) -> Iterator[ExpectedDevice]:
        """Read the devices that an order lists, by registration ID. When the stream breaks, it goes on where it was.

        Args:
            name: of the order.
            deadline: seconds that may pass without a device.

        Yields:
            Devices with their registration IDs in lower case, as the service compares them. Any number of them takes
            no more memory than one message.

        Raises:
            Refused: `WORK_ORDER_UNKNOWN`.
        """
        request = work_order_pb2.ExportExpectedDevicesRequest(work_order=name)
        messages = self._stream(lambda server: server.work_orders.ExportExpectedDevices, lambda: request, deadline)
        for message in messages:
            for device in message.devices:
                request.after_registration_id = device.registration_id
                yield ExpectedDevice.from_proto(device)

    def _update(self, request: work_order_pb2.UpdateWorkOrderRequest, deadline: float | None) -> WorkOrder:
        attempts = 0

        def update(server: Server) -> Any:
            nonlocal attempts
            attempts += 1
            return server.work_orders.UpdateWorkOrder

        try:
            return _order(self._call(update, request, deadline))
        except Refused as refused:
            # The first attempt may have done it and only its answer was lost: the etag is then the one that it made.
            if refused.reason != "WORK_ORDER_CHANGED" or attempts == 1:
                raise
            order = self.get_work_order(request.work_order.name, deadline=deadline)
            if not _stands(order, request):
                raise
            return order


def _order(answer: Any) -> WorkOrder:
    return WorkOrder.from_proto(answer.work_order)


def _stands(order: WorkOrder, request: work_order_pb2.UpdateWorkOrderRequest) -> bool:
    """Whether the order is what the update asks for; lines and patterns have no order, as in the contract."""
    asked = WorkOrder.from_proto(request.work_order)
    return all(_same(getattr(order, field), getattr(asked, field)) for field in request.update_mask.paths)


def _same(stands: object, asked: object) -> bool:
    if isinstance(stands, tuple) and isinstance(asked, tuple):
        return set(stands) == set(asked)
    return stands == asked


def _portions(devices: Iterable[ExpectedDevice]) -> Iterator[list[ExpectedDevice]]:
    remaining = iter(devices)
    while portion := list(itertools.islice(remaining, PORTION_DEVICES)):
        yield portion


def _messages(name: str, portion: list[ExpectedDevice]) -> list[work_order_pb2.ImportExpectedDevicesRequest]:
    return [
        work_order_pb2.ImportExpectedDevicesRequest(
            work_order=name, devices=[device.to_proto() for device in portion[start : start + MESSAGE_DEVICES]]
        )
        for start in range(0, len(portion), MESSAGE_DEVICES)
    ]


def _import(server: Server) -> Any:
    # A new iterator each time: an attempt uses its own up.
    return lambda messages, timeout: server.work_orders.ImportExpectedDevices(iter(messages), timeout=timeout)
