"""Servers for tests: in the test's own event loop, or as a process of their own; and callers of them."""

import contextlib
import functools
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from linecert import contract
from linecert.v1.audit_pb2_grpc import AuditServiceStub
from linecert.v1.issuance_pb2 import IssuedCertificate
from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from linecert.v1.signing_pb2_grpc import SigningServiceStub
from linecert.v1.work_order_pb2_grpc import WorkOrderServiceStub
from linecert_client import Client
from linecert_service.bootstrap import Server
from linecert_service.domain.clock import Clock
from linecert_service.installation.authorities import CaKeyType
from support import csrs
from support.installations import Installation, make_installation

LINECERT: Final = str(Path(sys.executable).with_name("linecert"))
LINECERT_SERVER: Final = str(Path(sys.executable).with_name("linecert-server"))

STATION: Final = "station-01"
AUDITOR: Final = "auditor-01"
PLANNER: Final = "planner-01"

START_SECONDS: Final = 30
# Connections of their own: what one test does to a connection is no matter of another's.
_CHANNEL_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 16 << 20))


# Refusals, as callers see them.


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused: its status and the details that came with it.

    Attributes:
        reason: of google.rpc.ErrorInfo; empty where gRPC itself refused.
        field: of google.rpc.BadRequest; None without one.
        retry_after: of google.rpc.RetryInfo, in seconds; None without one.
        metadata: of google.rpc.ErrorInfo, without `action`.
    """

    status: str
    message: str
    reason: str = ""
    action: str = ""
    field: str | None = None
    retry_after: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Self:
        """Read it, and hold the details to what the contract says of the reason."""
        metadata = dict(error.trailing_metadata() or ())
        name = error.code().name
        if "grpc-status-details-bin" not in metadata:
            return cls(name, error.details() or "")
        status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
        assert code_pb2.Code.Name(status.code) == name
        assert status.message == error.details()
        info, bad_request, retry = _details(status)
        return cls(
            status=name,
            message=status.message,
            reason=info.reason,
            action=info.metadata["action"],
            field=bad_request.field_violations[0].field if bad_request else None,
            retry_after=retry.retry_delay.ToMilliseconds() / 1000 if retry else None,
            metadata=tuple(sorted((key, value) for key, value in info.metadata.items() if key != "action")),
        )


def _details(status: status_pb2.Status) -> tuple[Any, Any, Any]:
    found = {}
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
        for packed in status.details:
            detail = kind()
            if packed.Unpack(detail):
                found[kind] = detail
    assert len(found) == len(status.details)
    info = found[error_details_pb2.ErrorInfo]
    reason = contract.reason_named(info.reason)
    assert reason is not None, info.reason
    refusal = contract.refusal(reason)
    assert (info.domain, info.metadata["action"]) == ("linecert", refusal.action_name)
    assert status.code == refusal.status
    retried = refusal.status_name in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
    assert retried == (error_details_pb2.RetryInfo in found), info.reason
    assert error_details_pb2.BadRequest not in found or refusal.status_name == "INVALID_ARGUMENT"
    return info, found.get(error_details_pb2.BadRequest), found.get(error_details_pb2.RetryInfo)


async def refused(call: Awaitable[Any]) -> Refusal:
    """The refusal that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refusal.of(caught.value)


# Callers.


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows in the handshake: PEM each."""

    key: bytes
    certificate: bytes


class Caller:
    """A connection to a server, with raw stubs on it. Closed with its server.

    Attributes:
        channel: the connection.
        signing, audit, work_orders, health: the services.
    """

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.channel: grpc.aio.Channel = (
            grpc.aio.secure_channel(target, credentials, options=_CHANNEL_OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        )
        self.signing: Any = SigningServiceStub(self.channel)
        self.audit: Any = AuditServiceStub(self.channel)
        self.work_orders: Any = WorkOrderServiceStub(self.channel)
        self.health: Any = health_pb2_grpc.HealthStub(self.channel)

    async def sign(self, request: SignDeviceRequest, timeout: float = 30) -> SignDeviceResponse:  # noqa: ASYNC109 - gRPC's
        """Call SignDevice."""
        response: SignDeviceResponse = await self.signing.SignDevice(request, timeout=timeout)
        return response

    async def serving(self, service: str = "") -> bool:
        """Whether the health service says SERVING."""
        answer = await self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def ask(device: str = "device-01", /, *, key: csrs.PrivateKey | None = None, **fields: Any) -> SignDeviceRequest:
    """A request for a device with a key of its own, under a request_id of its own; `fields` go over that."""
    signer = device_key(device) if key is None else key
    return SignDeviceRequest(**{"request_id": str(uuid.uuid4()), "csr": csrs.make(device, signer)} | fields)


@functools.cache
def device_key(registration_id: str) -> csrs.PrivateKey:
    """The P-256 key of a device: the same one each time."""
    return csrs.key("P-256", number=hash(registration_id))


def leaf(issued: IssuedCertificate) -> x509.Certificate:
    """The certificate of an answer."""
    return x509.load_der_x509_certificate(issued.certificate)


def chain_pem(response: SignDeviceResponse) -> bytes:
    """The chain that a device presents: leaf, intermediates, root."""
    ders = (response.issued.certificate, *response.chain.intermediates, response.chain.root)
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders)


# Servers.


def free_ports(count: int = 1) -> list[int]:
    """Free ports below those that the system gives to outgoing connections, so that they stay free over a restart."""
    ports: set[int] = set()
    while len(ports) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


def installation_at(folder: Path, key_type: CaKeyType = "p256", *, store_url: str | None = None) -> Installation:
    """A fresh installation whose server listens at free ports; its store is a SQLite file, if not at `store_url`."""
    main, metrics, health = free_ports(3)
    installation = make_installation(
        folder,
        key_type=key_type,
        listen=f"127.0.0.1:{main}",
        metrics_listen=f"127.0.0.1:{metrics}",
        health_listen=f"127.0.0.1:{health}",
    )
    if store_url:
        installation.edit("sqlite:///linecert.db", store_url)
    return installation


class Running:
    """A server that runs, as its callers see it.

    Attributes:
        installation: its files.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._settings = installation.settings().server
        self._callers: list[Caller] = []

    @property
    def target(self) -> str:
        """Where callers call."""
        return self._settings.listen

    def scrape(self) -> str:
        """What Prometheus reads. Blocks."""
        with urllib.request.urlopen(f"http://{self._settings.metrics_listen}/metrics", timeout=10) as response:
            text: str = response.read().decode()
            return text

    def caller(self, name: str = STATION) -> Caller:
        """A new connection of one of the installation's callers."""
        folder = self.installation.layout.client(name)
        return self.stranger(
            Credential((folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes()),
        )

    def stranger(self, credential: Credential | None) -> Caller:
        """A new connection with any client certificate, or none."""
        root = self.installation.layout.server_ca.read_bytes()
        pair = (credential.key, credential.certificate) if credential else (None, None)
        return self._keep(Caller(self.target, grpc.ssl_channel_credentials(root, *pair)))

    def probe(self) -> Caller:
        """A new connection to the health port, in plain text."""
        return self._keep(Caller(self._settings.health_listen, None))

    def client(self, name: str = STATION) -> Client:
        """The thin client of one of the installation's callers; its calls block."""
        return Client.from_folder(self.installation.layout.client(name))

    async def close_callers(self) -> None:
        """End the connections."""
        for caller in self._callers:
            await caller.channel.close()
        self._callers.clear()

    def _keep(self, caller: Caller) -> Caller:
        self._callers.append(caller)
        return caller


class InProcess(Running):
    """A server in the test's event loop."""

    def __init__(self, installation: Installation, server: Server) -> None:
        super().__init__(installation)
        self._server = server

    async def drain(self) -> None:
        """What SIGTERM makes it do: finish and record what was admitted, and end."""
        await self._server.stop()


@contextlib.asynccontextmanager
async def serving(installation: Installation, clock: Clock | None = None) -> AsyncIterator[InProcess]:
    """A server in this event loop, drained at the end."""
    running = InProcess(installation, await Server.start(installation.settings(), clock))
    try:
        yield running
    finally:
        await running.close_callers()
        await running.drain()


class ServerProcess(Running):
    """A server as a process. Not running before `start`.

    Args:
        installation: its files.
        arguments: more of them for `serve`.
        program: what is run in place of `linecert-server`.

    Attributes:
        lines: what it has written to stdout and stderr, of all its starts.
    """

    def __init__(
        self, installation: Installation, *arguments: str, program: Sequence[str] = (LINECERT_SERVER,)
    ) -> None:
        super().__init__(installation)
        self._command = [*program, "serve", "--config", str(installation.config), *arguments]
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start it and wait until it serves."""
        process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self.process = process
        serves = threading.Event()
        threading.Thread(target=self._read, args=(process, serves), daemon=True).start()
        assert serves.wait(START_SECONDS), self.lines
        assert process.poll() is None, self.lines
        return self

    @property
    def pid(self) -> int:
        """Its process ID."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill it as a power cut would, and wait for its end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Ask it to end, as systemd does, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def close(self) -> None:
        """Leave nothing running."""
        if self.process and self.process.poll() is None:
            self.kill()

    def _read(self, process: "subprocess.Popen[str]", serves: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                self.lines.append(line)
                if '"event":"serving"' in line:
                    serves.set()
        serves.set()


@contextlib.contextmanager
def process(installation: Installation, *arguments: str) -> Iterator[ServerProcess]:
    """A server process that serves, ended with the block however that ends."""
    server = ServerProcess(installation, *arguments)
    try:
        yield server.start()
    finally:
        server.close()


def events_of(lines: list[str]) -> list[dict[str, Any]]:
    """Log lines as objects."""
    return [json.loads(line) for line in lines if line.startswith("{")]
