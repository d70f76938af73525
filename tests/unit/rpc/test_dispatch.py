"""Streams pass what single answers pass: identity, role, form, status, metrics; and end when the caller is gone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from linecert.v1.audit_pb2 import DESCRIPTOR, ExportLogRequest, ExportLogResponse
from linecert.v1.audit_pb2_grpc import AuditServiceStub
from linecert_service.domain.clock import SystemClock
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.issuance.planning import Caller
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.dispatch import Call, Dispatcher
from support.installations import make_installation
from support.server import AUDITOR, STATION, Refusal


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


@asynccontextmanager
async def serving(folder: Path, export: Export, meter: Meter, name: str = AUDITOR) -> AsyncIterator[Any]:
    """A stub of a server whose ExportLog is `export`."""
    trail = AuditTrail(lambda _event: None, SystemClock())
    dispatcher = Dispatcher(Door(folder, name), SystemClock(), meter, trail)  # type: ignore[arg-type]  # of Callers only `of`
    server = grpc.aio.server()
    handler = dispatcher.service(DESCRIPTOR.services_by_name["AuditService"], {"ExportLog": export})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield AuditServiceStub(channel)
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
