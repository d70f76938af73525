"""Whatever others do with connections, the service goes on signing, and gets its files back afterwards.

A real server process, and real sockets. What is not allowed to anybody is tried with a station's own certificate, since
strangers do not get beyond the handshake.
"""

import asyncio
import contextlib
import itertools
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import h2.events
import psutil
import pytest
from h2.errors import ErrorCodes

from linecert_service.rpc.connections import MAX_METADATA_OCTETS, MAX_REQUEST_OCTETS, MAX_STREAMS, PING_STRIKES
from support import audit_log, csrs
from support.raw_connections import (
    SECONDS,
    SIGN_DEVICE,
    Http2,
    client_hello,
    context,
    is_closed,
    message,
    station_credential,
    tcp,
    tls,
)
from support.server import LINECERT_SERVER, ServerProcess, ask, device_key, installation_at, process, refused

HALF_OPEN = 300
IDLE = 2_000
TOGETHER = 20
# Sockets of gRPC's own that come and go, in the server and with the callers that look at it.
SLACK = 12
HEADERS_OCTETS = 20 << 20
_HEADERS, _SETTINGS, _CONTINUATION = 0x1, 0x4, 0x9
_END_HEADERS = 0x4
# With so many slots gRPC drops no call that waits before a connection has all that it may have under way.
LIMITS = '[limits]\nconnections = 2400\nhandshake = "5s"\npending = 4096\n'

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One process for the module: a server that one attack has hurt fails the tests after it."""
    installation = installation_at(tmp_path_factory.mktemp("connections") / "server")
    installation.edit("# [limits]\n", LIMITS)
    with process(installation) as running:
        yield running


async def signs(server: ServerProcess) -> None:
    """A station that connects now gets a certificate, with the client that stations have.

    It sends again what the transport lost.
    """
    name = f"device-{next(_numbers):05}"
    assert await asyncio.to_thread(_sign, server, name) == name


def _sign(server: ServerProcess, name: str) -> str:
    with server.client() as client:
        return client.sign(csrs.make(name, device_key(name)), registration_id=name).registration_id


@contextlib.asynccontextmanager
async def unharmed(server: ServerProcess) -> AsyncIterator[None]:
    """Around an attack: one who was connected before is served afterwards, as are others, and no file is kept open."""
    files = psutil.Process(server.pid).num_fds()
    early = server.caller()
    await early.sign(ask(f"device-{next(_numbers):05}"))
    yield
    assert server.process is not None
    assert server.process.poll() is None
    await early.sign(ask(f"device-{next(_numbers):05}"))
    await signs(server)
    await server.close_callers()
    async with asyncio.timeout(SECONDS):
        while psutil.Process(server.pid).num_fds() > files + SLACK:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.1)


async def test_connections_that_never_begin(server: ServerProcess) -> None:
    """TCP alone, without an octet: closed after `limits.handshake`."""
    async with unharmed(server):
        with contextlib.ExitStack() as kept:
            silent = [kept.enter_context(tcp(server)) for _ in range(HALF_OPEN)]
            await signs(server)
            for connection in silent:
                assert await asyncio.to_thread(is_closed, connection)


@pytest.mark.parametrize("octets", [1, 40, None], ids=["one", "some", "a_whole_client_hello"])
async def test_handshakes_that_stop_half_way(server: ServerProcess, octets: int | None) -> None:
    """Whether within the ClientHello or after it: closed after `limits.handshake`."""
    async with unharmed(server):
        with contextlib.ExitStack() as kept:
            stalled = [kept.enter_context(tcp(server)) for _ in range(HALF_OPEN // 3)]
            for connection in stalled:
                connection.sendall(client_hello(server)[:octets])
            await signs(server)
            for connection in stalled:
                assert await asyncio.to_thread(is_closed, connection)


async def test_tls_without_http(server: ServerProcess) -> None:
    """A station's own TLS connection on which no HTTP/2 follows counts as a handshake that stalled."""
    async with unharmed(server):
        made = context(server, station_credential(server))
        with contextlib.ExitStack() as kept:
            silent = [kept.enter_context(await asyncio.to_thread(tls, server, made)) for _ in range(30)]
            await signs(server)
            for connection in silent:
                assert await asyncio.to_thread(is_closed, connection)


async def test_octets_that_are_neither_tls_nor_http(server: ServerProcess) -> None:
    """Closed at once, be it another protocol or noise; also inside TLS."""
    noises = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-x\r\n",
        bytes(range(256)) * 64,
        b"\x16\x03\x01\xff\xff",
    )
    made = context(server, station_credential(server))
    async with unharmed(server):
        for noise in noises:
            with tcp(server) as outside, await asyncio.to_thread(tls, server, made) as inside:
                for connection in (outside, inside):
                    connection.sendall(noise)
                    assert await asyncio.to_thread(is_closed, connection)


async def test_a_request_an_octet_at_a_time(server: ServerProcess) -> None:
    """Slow callers keep nobody waiting, and are served when they are done."""
    async with unharmed(server):
        with contextlib.ExitStack() as kept:
            slow = [kept.enter_context(Http2.to(server)) for _ in range(20)]
            requests = [message(ask(f"slow-{number:02}").SerializeToString()) for number in range(len(slow))]
            streams = [connection.begin() for connection in slow]
            await asyncio.to_thread(_dribble, slow, streams, [request[:100] for request in requests])
            await signs(server)
            await asyncio.to_thread(_dribble, slow, streams, [request[100:] for request in requests])
            for connection, stream in zip(slow, streams, strict=True):
                connection.frames.end_stream(stream)
                connection.flush()
                assert await asyncio.to_thread(connection.status) == 0
    names = {record.registration_id for record in audit_log.verified(server.installation).certificates}
    assert {f"slow-{number:02}" for number in range(20)} <= names


def _dribble(connections: list[Http2], streams: list[int], requests: list[bytes]) -> None:
    """One octet of each request in turn, each in a frame and a TLS record of its own."""
    for octets in itertools.zip_longest(*requests):
        for connection, stream, octet in zip(connections, streams, octets, strict=True):
            if octet is not None:
                connection.frames.send_data(stream, bytes((octet,)))
                connection.flush()


@pytest.mark.parametrize("complete", [False, True], ids=["headers", "requests"])
async def test_a_storm_of_resets(server: ServerProcess, complete: bool) -> None:
    """Calls that are begun and reset at once (CVE-2023-44487), before or after their request was sent."""
    request = message(ask("reset-01").SerializeToString()) if complete else b""
    async with unharmed(server):
        storms = [asyncio.to_thread(_reset_storm, server, request) for _ in range(4)]
        running = asyncio.gather(signs(server), *storms)
        while not running.done():
            await signs(server)
        await running
    records = audit_log.verified(server.installation).certificates
    assert sum(record.registration_id == "reset-01" for record in records) <= 1


def _reset_storm(server: ServerProcess, request: bytes) -> None:
    with Http2.to(server) as connection, contextlib.suppress(OSError):
        for _ in range(3_000):
            stream = connection.begin()
            if request and connection.frames.local_flow_control_window(stream) > len(request):
                connection.frames.send_data(stream, request, end_stream=True)
            connection.frames.reset_stream(stream)
            connection.flush()


async def test_connections_that_are_reset(server: ServerProcess) -> None:
    """TCP resets at every stage: before, in and after the handshake, and in a call."""
    made = context(server, station_credential(server))
    async with unharmed(server):
        for _ in range(60):
            _reset(tcp(server))
            stalled = tcp(server)
            stalled.sendall(client_hello(server))
            _reset(stalled)
            connection = await asyncio.to_thread(Http2, server, made)
            connection.begin()
            connection.flush()
            _reset(connection.socket)
        await signs(server)


def _reset(connection: socket.socket) -> None:
    """Close it with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_messages_beyond_the_limit(server: ServerProcess) -> None:
    """RESOURCE_EXHAUSTED from the transport; the connection goes on."""
    async with unharmed(server):
        station = server.caller()
        raw = station.channel.unary_unary(SIGN_DEVICE)
        refusal = await refused(raw(bytes(MAX_REQUEST_OCTETS + 1), timeout=SECONDS))
        assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "")
        assert (await station.sign(ask("after-the-large-one"))).issued.certificate


async def test_a_length_that_is_not_true(server: ServerProcess) -> None:
    """Who announces 4 GiB is refused before they are sent."""
    async with unharmed(server):
        with Http2.to(server) as connection:
            stream = connection.begin()
            connection.frames.send_data(stream, struct.pack(">BI", 0, 0xFFFF_FFFF) + bytes(1000))
            connection.flush()
            assert await asyncio.to_thread(connection.status) == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


async def test_metadata_beyond_the_limit(server: ServerProcess) -> None:
    """Refused for the call that carries them; the request is not looked at."""
    async with unharmed(server):
        station = server.caller()
        metadata = (("x-large", "x" * MAX_METADATA_OCTETS),)
        refusal = await refused(station.signing.SignDevice(ask("large-metadata"), metadata=metadata, timeout=SECONDS))
        assert refusal.status == "RESOURCE_EXHAUSTED"
        assert (await station.sign(ask("after-the-metadata"))).issued.certificate
    names = {record.registration_id for record in audit_log.verified(server.installation).certificates}
    assert "large-metadata" not in names


async def test_headers_without_an_end(server: ServerProcess) -> None:
    """CONTINUATION frames for ever (CERT/CC VU#421644): nothing of them is kept, and the call is refused."""
    async with unharmed(server):
        memory = psutil.Process(server.pid).memory_info().rss
        with Http2.to(server) as connection:
            await asyncio.to_thread(connection.wait_for, h2.events.RemoteSettingsChanged)
            # A literal header field, never indexed (RFC 7541, section 6.2.3), again and again.
            field = b"\x10\x01x\x7f\x81\x07" + b"y" * 1024
            connection.socket.sendall(_frame(_HEADERS, 1, field))
            for _ in range(HEADERS_OCTETS // len(field)):
                connection.socket.sendall(_frame(_CONTINUATION, 1, field))
            await signs(server)
            assert psutil.Process(server.pid).memory_info().rss - memory < HEADERS_OCTETS // 2
            connection.frames.get_next_available_stream_id()
            connection.socket.sendall(_frame(_CONTINUATION, 1, field, flags=_END_HEADERS))
            seen = b""
            while b"received metadata size exceeds" not in seen:
                seen += (data := await asyncio.to_thread(connection.socket.recv, 65_536))
                assert data, seen


def _frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


async def test_a_flood_of_pings(server: ServerProcess) -> None:
    """GOAWAY with ENHANCE_YOUR_CALM, and the end of the connection."""
    async with unharmed(server):
        with Http2.to(server) as connection:
            await asyncio.to_thread(connection.wait_for, h2.events.RemoteSettingsChanged)
            for number in range(PING_STRIKES + 8):
                connection.frames.ping(struct.pack(">Q", number))
            connection.flush()
            end = await asyncio.to_thread(connection.wait_for, h2.events.ConnectionTerminated)
            assert isinstance(end, h2.events.ConnectionTerminated)
            assert (end.error_code, end.additional_data) == (ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")
            assert await asyncio.to_thread(is_closed, connection.socket)


async def test_a_flood_of_settings(server: ServerProcess) -> None:
    """Answered one by one, or the end of the connection; nobody else notices."""
    async with unharmed(server):
        with Http2.to(server) as connection, contextlib.suppress(OSError):
            for number in range(5_000):
                connection.socket.sendall(_frame(_SETTINGS, 0))
                if number % 1_000 == 0:
                    await signs(server)


async def test_more_calls_than_a_connection_may_have(server: ServerProcess) -> None:
    """Calls that wait for nothing but the rest of their request: so many of a connection, and others are served."""
    async with unharmed(server):
        with Http2.to(server) as connection:
            for _ in range(MAX_STREAMS):
                connection.begin()
            beyond = connection.begin()
            connection.flush()
            reset = await asyncio.to_thread(connection.wait_for, h2.events.StreamReset)
            assert isinstance(reset, h2.events.StreamReset)
            assert reset.stream_id == beyond
            assert reset.error_code in {ErrorCodes.REFUSED_STREAM, ErrorCodes.ENHANCE_YOUR_CALM}
            await signs(server)


@pytest.mark.timeout(300)
async def test_thousands_of_idle_connections(server: ServerProcess) -> None:
    """Two thousand stations that are connected and silent."""
    _allow_files(IDLE + 500)
    async with unharmed(server):
        made = context(server, station_credential(server))
        with contextlib.ExitStack() as kept:
            # Some at a time: one by one a slow machine takes longer than the server keeps those that answer no ping.
            for _ in range(IDLE // TOGETHER):
                opening = [asyncio.to_thread(Http2, server, made) for _ in range(TOGETHER)]
                for connection in await asyncio.gather(*opening):
                    kept.enter_context(connection.socket)
            assert psutil.Process(server.pid).num_fds() > IDLE
            await signs(server)


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"NOT TESTED: this takes {count} open files, and `ulimit -Hn` says {hard}: raise it")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def test_more_connections_than_the_limit(tmp_path: Path) -> None:
    """What comes beyond `limits.connections` is closed at once; who is connected is served, and places become free."""
    installation = installation_at(tmp_path / "server")
    installation.edit("# [limits]\n", "[limits]\nconnections = 4\n")
    with process(installation) as server:
        made = context(server, station_credential(server))
        station = server.caller()
        await station.sign(ask("device-01"))
        with contextlib.ExitStack() as kept:
            for _ in range(3):
                connection = await asyncio.to_thread(Http2, server, made)
                kept.enter_context(connection.socket)
                await asyncio.to_thread(connection.wait_for, h2.events.RemoteSettingsChanged)
            with tcp(server) as beyond:
                assert await asyncio.to_thread(is_closed, beyond)
            assert (await refused(server.caller().sign(ask("device-02")))).status == "UNAVAILABLE"
            await station.sign(ask("device-03"))
        late = server.caller()
        async with asyncio.timeout(SECONDS):
            while not await _is_served(late.sign(ask("device-04"))):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.1)
        await server.close_callers()


async def _is_served(call: "asyncio.Future[object]") -> bool:
    try:
        await call
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_old_connections_end_and_no_call_notices(tmp_path: Path) -> None:
    """`limits.connection_age` ends a connection that is in use; its client's calls go on over another one."""
    installation = installation_at(tmp_path / "server")
    installation.edit("# [limits]\n", '[limits]\nconnection_age = "1s"\n')
    with process(installation) as server, Http2.to(server) as watched:
        station = server.caller()
        ended = asyncio.ensure_future(asyncio.to_thread(watched.wait_for, h2.events.ConnectionTerminated))
        for number in itertools.count():
            assert (await station.sign(ask(f"device-{number}"))).issued.certificate
            if ended.done():
                break
        end = await ended
        assert isinstance(end, h2.events.ConnectionTerminated)
        assert "age" in str(end.additional_data)
        await server.close_callers()


async def test_idle_connections_end(tmp_path: Path) -> None:
    """`limits.connection_idle` closes what carries no call; a client connects again by itself."""
    installation = installation_at(tmp_path / "server")
    installation.edit("# [limits]\n", '[limits]\nconnection_idle = "1s"\n')
    with process(installation) as server:
        station = server.caller()
        await station.sign(ask("device-01"))
        with Http2.to(server) as watched:
            end = await asyncio.to_thread(watched.wait_for, h2.events.ConnectionTerminated)
            assert isinstance(end, h2.events.ConnectionTerminated)
            assert "idle" in str(end.additional_data)
        assert (await station.sign(ask("device-02"))).issued.certificate
        await server.close_callers()


async def test_few_open_files(tmp_path: Path) -> None:
    """Where the system allows few files, the server takes fewer connections, says so, and serves."""
    program = ("prlimit", "--nofile=256:700", LINECERT_SERVER)
    server = ServerProcess(installation_at(tmp_path / "server"), program=program)
    try:
        server.start()
        assert any("188 connections only" in line for line in server.lines)
        await signs(server)
        await server.close_callers()
    finally:
        server.close()
