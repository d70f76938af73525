"""Streams pass what single calls pass: identity, role, form, status, metrics; and end when the caller is gone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from linecert.v1 import work_order_pb2
from linecert.v1.audit_pb2 import DESCRIPTOR, ExportLogRequest, ExportLogResponse
from linecert.v1.audit_pb2_grpc import AuditServiceStub
from linecert.v1.work_order_pb2 import ImportExpectedDevicesRequest, ImportExpectedDevicesResponse
from linecert.v1.work_order_pb2_grpc import WorkOrderServiceStub
from linecert_service.domain.clock import SystemClock
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.issuance.planning import Caller
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.dispatch import Call, Dispatcher, Handler
from linecert_service.rpc.rejections import Rejections
from support.installations import make_installation
from support.server import AUDITOR, PLANNER, STATION, Refusal, refused


class Meter:
    """Remembers calls."""

    def __init__(self) -> None:
        self.began = 0
        self.answered: list[tuple[str, str]] = []
        self.rejected: list[str] = []

    def call_began(self) -> None:
        """Count."""
        self.began += 1

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """Remember."""
        assert seconds >= 0
        self.answered.append((method, code))

    def request_rejected(self, reason: str, line: str, station: str) -> None:
        """Remember."""
        assert station or not line
        self.rejected.append(reason)


class Door:
    """Says who calls."""

    def __init__(self, folder: Path, name: str) -> None:
        installation = make_installation(folder / "server")
        peer = installation.peer(name)
        self._caller = Caller(installation.stations().admit(peer, SystemClock().time()), peer.spki_sha256)

    def of(self, _context: object) -> Caller:
        """Always the same."""
        return self._caller


Export = Callable[[ExportLogRequest, Call], AsyncGenerator[ExportLogResponse, None]]


Import = Callable[[AsyncIterator[ImportExpectedDevicesRequest], Call], Awaitable[ImportExpectedDevicesResponse]]


@asynccontextmanager
async def serving(folder: Path, export: Export, meter: Meter, name: str = AUDITOR) -> AsyncIterator[Any]:
    """A stub of a server whose ExportLog is `export`."""
    service = DESCRIPTOR.services_by_name["AuditService"]
    async with _channel(folder, service, {"ExportLog": export}, meter, name) as channel:
        yield AuditServiceStub(channel)


@asynccontextmanager
async def taking(folder: Path, take: Import, meter: Meter, name: str = PLANNER) -> AsyncIterator[Any]:
    """A stub of a server whose ImportExpectedDevices is `take`."""
    service = work_order_pb2.DESCRIPTOR.services_by_name["WorkOrderService"]
    async with _channel(folder, service, {"ImportExpectedDevices": take}, meter, name) as channel:
        yield WorkOrderServiceStub(channel)


@asynccontextmanager
async def _channel(
    folder: Path, service: ServiceDescriptor, handlers: Mapping[str, Handler], meter: Meter, name: str
) -> AsyncIterator[grpc.aio.Channel]:
    trail = AuditTrail(lambda _event: None, SystemClock())
    dispatcher = Dispatcher(Door(folder, name), SystemClock(), meter, Rejections(meter, trail, SystemClock()))  # type: ignore[arg-type]  # of Callers only `of`
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((dispatcher.service(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def three(_request: ExportLogRequest, _call: Call) -> AsyncGenerator[ExportLogResponse, None]:
    """Three answers."""
    for index in range(3):
        yield ExportLogResponse(entries=[ExportLogResponse.Entry(log_index=index)])


async def test_a_stream_arrives_in_order(tmp_path: Path) -> None:
    """Each answer is a message of its own; the call counts once, as OK."""
    meter = Meter()
    async with serving(tmp_path, three, meter) as stub:
        found = [answer.entries[0].log_index async for answer in stub.ExportLog(ExportLogRequest())]
    assert (found, meter.began, meter.answered) == ([0, 1, 2], 1, [("ExportLog", "OK")])


async def test_a_stream_needs_its_role(tmp_path: Path) -> None:
    """A station does not get a single message of what auditors export."""
    meter = Meter()
    async with serving(tmp_path, three, meter, STATION) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [answer async for answer in stub.ExportLog(ExportLogRequest())]
    assert Refusal.of(caught.value).reason == "ROLE_MISSING"
    assert (meter.answered, meter.rejected) == ([("ExportLog", "PERMISSION_DENIED")], ["ROLE_MISSING"])


async def test_a_stream_may_end_in_a_refusal(tmp_path: Path) -> None:
    """What was sent before arrives, and then the status with its details."""
    meter = Meter()

    async def failing(request: ExportLogRequest, call: Call) -> AsyncGenerator[ExportLogResponse, None]:
        async for answer in three(request, call):
            yield answer
        raise StoreUnavailable("the store is gone")

    async with serving(tmp_path, failing, meter) as stub:
        call = stub.ExportLog(ExportLogRequest())
        assert [(await call.read()).entries[0].log_index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert Refusal.of(caught.value).reason == "AUDIT_STORE_UNAVAILABLE"
    assert meter.answered == [("ExportLog", "UNAVAILABLE")]


async def test_a_caller_who_goes_away_ends_the_reading(tmp_path: Path) -> None:
    """A stream without an end is closed soon after its caller is gone, and counts as CANCELLED."""
    meter = Meter()
    closed = asyncio.Event()

    async def endless(_request: ExportLogRequest, _call: Call) -> AsyncGenerator[ExportLogResponse, None]:
        try:
            while True:
                yield ExportLogResponse(checkpoint="x" * 10_000)
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with serving(tmp_path, endless, meter) as stub:
        call = stub.ExportLog(ExportLogRequest())
        await call.read()
        call.cancel()
        await asyncio.wait_for(closed.wait(), 10)
    assert meter.answered == [("ExportLog", "CANCELLED")]


async def test_a_reader_who_stops_reading_stops_the_stream(tmp_path: Path) -> None:
    """Nothing is read ahead beyond what the connection holds: a slow caller costs no memory."""
    sent = 0

    async def endless(_request: ExportLogRequest, _call: Call) -> AsyncGenerator[ExportLogResponse, None]:
        nonlocal sent
        while True:
            sent += 1
            yield ExportLogResponse(checkpoint="x" * 100_000)

    async with serving(tmp_path, endless, Meter()) as stub:
        call = stub.ExportLog(ExportLogRequest())
        await call.read()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        call.cancel()
    assert sent < 200


async def sent(*orders: str | bytes) -> AsyncIterator[bytes]:
    """Messages that name these work orders, or octets as they are."""
    for order in orders:
        yield order if isinstance(order, bytes) else ImportExpectedDevicesRequest(work_order=order).SerializeToString()


def raw(stub: Any) -> Callable[[AsyncIterator[bytes] | None], Any]:
    """The method of a stub, for octets."""
    method = stub.ImportExpectedDevices
    method._request_serializer = None
    return lambda messages: method(messages, timeout=10)


async def count(messages: AsyncIterator[ImportExpectedDevicesRequest], _call: Call) -> ImportExpectedDevicesResponse:
    """How many messages came."""
    return ImportExpectedDevicesResponse(imported=len([message.work_order async for message in messages]))


async def test_messages_arrive_one_by_one(tmp_path: Path) -> None:
    """The handler gets each as it comes, and one answer goes back; the call counts once."""
    meter = Meter()
    async with taking(tmp_path, count, meter) as stub:
        for orders in ((), ("a", "b", "c")):
            assert (await raw(stub)(sent(*orders))).imported == len(orders)
    assert (meter.began, meter.answered) == (2, [("ImportExpectedDevices", "OK")] * 2)


@pytest.mark.parametrize(
    "name, orders, reason", [(STATION, ("a",), "ROLE_MISSING"), (PLANNER, ("a", b"\xff"), "FIELD_INVALID")]
)
async def test_an_upload_is_refused(tmp_path: Path, name: str, orders: Iterable[str | bytes], reason: str) -> None:
    """Who may not call is told before a message is read; octets that are no message are refused where they come."""
    meter = Meter()
    async with taking(tmp_path, count, meter, name) as stub:
        refusal = await refused(raw(stub)(sent(*orders)))
    assert (refusal.reason, meter.rejected) == (reason, [reason])


async def test_an_upload_may_be_refused_on_the_way(tmp_path: Path) -> None:
    """The caller hears of it though it has more to send."""
    meter = Meter()

    async def first(
        messages: AsyncIterator[ImportExpectedDevicesRequest], _call: Call
    ) -> ImportExpectedDevicesResponse:
        raise StoreUnavailable((await anext(messages)).work_order)

    async with taking(tmp_path, first, meter) as stub:
        call = stub.ImportExpectedDevices()
        await call.write(ImportExpectedDevicesRequest(work_order="the store is gone"))
        refusal = await refused(call)
    assert (refusal.reason, refusal.message) == ("AUDIT_STORE_UNAVAILABLE", "the store is gone")
    assert meter.answered == [("ImportExpectedDevices", "UNAVAILABLE")]


async def test_a_caller_who_goes_away_ends_the_upload(tmp_path: Path) -> None:
    """A handler that waits for the next message does not wait for ever, and the call is no longer under way."""
    meter, came, ended = Meter(), asyncio.Event(), asyncio.Event()

    async def wait(messages: AsyncIterator[ImportExpectedDevicesRequest], _call: Call) -> ImportExpectedDevicesResponse:
        try:
            async for _ in messages:
                came.set()
        finally:
            ended.set()
        return ImportExpectedDevicesResponse()

    async with taking(tmp_path, wait, meter) as stub:
        call = stub.ImportExpectedDevices()
        await call.write(ImportExpectedDevicesRequest(work_order="a"))
        await asyncio.wait_for(came.wait(), 10)
        call.cancel()
        await asyncio.wait_for(ended.wait(), 10)
    assert [method for method, _ in meter.answered] == ["ImportExpectedDevices"]


async def test_what_is_not_read_is_not_taken_in(tmp_path: Path) -> None:
    """A handler that takes its time holds up the caller: an upload costs no memory that nobody uses."""
    written = 0

    async def slow(messages: AsyncIterator[ImportExpectedDevicesRequest], _call: Call) -> ImportExpectedDevicesResponse:
        await anext(messages)
        await asyncio.Event().wait()
        return ImportExpectedDevicesResponse()

    async def endless() -> AsyncIterator[ImportExpectedDevicesRequest]:
        nonlocal written
        while True:
            written += 1
            yield ImportExpectedDevicesRequest(work_order="x" * 100_000)

    async with taking(tmp_path, slow, Meter()) as stub:
        call = stub.ImportExpectedDevices(endless())
        before = -1
        while before != written or not written:
            before = written
            await asyncio.sleep(0.2)
        call.cancel()
    assert written < 200
