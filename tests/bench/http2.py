"""As much of HTTP/2 (RFC 9113) as a load generator needs to make gRPC calls cheaply: about 20 us each.

grpc's own client costs more than refusing a call costs the server, so that on one machine it could not bring several
times what the server can do. Headers are written as literals, and the server is told to do the same (a header table of
size 0), so that nothing needs decoding: names and values are looked for in the octets.
"""

import asyncio
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

DATA: Final = 0x0
HEADERS: Final = 0x1
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4

_MAX_CONCURRENT_STREAMS: Final = 0x3
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER_OCTETS: Final = 9
_PREFIX_OCTETS: Final = 5
"""Before a message of gRPC: whether it is compressed, and its length."""
_WINDOW: Final = 2**31 - 1
_FIRST_WINDOW: Final = 65_535
_SETTINGS: Final = struct.pack(
    # HEADER_TABLE_SIZE 0; INITIAL_WINDOW_SIZE; gRPC's own: metadata that ends in -bin comes as it is.
    ">HIHIHI", 0x1, 0, 0x4, _WINDOW, 0xFE03, 1
)  # fmt: skip


@dataclass(slots=True)
class Answer:
    """What came back for a call.

    Attributes:
        number: the call's, as it was given to `Connection.send`.
        sent, ended: on `time.perf_counter`.
        message: octets of the response; empty where there is none.
        trailers: the last header block, not decoded; empty when the stream was reset.
    """

    number: int
    sent: float
    ended: float = 0.0
    message: bytes = b""
    trailers: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the call ended with the status OK."""
        # A literal's value has its length, which is below 127, in the octet before it.
        return b"grpc-status\x010" in self.trailers


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (section 4.1)."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def header_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Fields as literals without indexing (RFC 7541, section 6.2.2); none may be longer than 126 octets."""
    octets = bytearray()
    for field in fields:
        octets.append(0)
        for text in field:
            octets.append(len(text))
            octets += text.encode("ascii")
    return bytes(octets)


class Connection(asyncio.Protocol):
    """One connection, which makes unary calls of one method.

    Args:
        headers: the header block of every call.
        on_answer: is given each answer.
    """

    def __init__(self, headers: bytes, on_answer: Callable[[Answer], None]) -> None:
        self._headers = headers
        self._on_answer = on_answer
        self._open: dict[int, Answer] = {}
        self._buffer = bytearray()
        self._next_stream = 1
        self._window = _FIRST_WINDOW
        self._max_streams = 0
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: str = ""

    @property
    def open_calls(self) -> int:
        """How many calls are under way."""
        return len(self._open)

    def may_send(self, calls: Sequence[tuple[int, bytes]]) -> bool:
        """Whether the server takes these calls now: as many, and of this size."""
        octets = sum(len(message) + _PREFIX_OCTETS for _, message in calls)
        return not self.lost and len(self._open) + len(calls) <= self._max_streams and octets <= self._window

    def send(self, calls: Iterable[tuple[int, bytes]]) -> None:
        """Begin calls: numbers, and octets of request messages, which may not be longer than 16 KiB."""
        out = bytearray()
        now = time.perf_counter()
        for number, message in calls:
            stream, self._next_stream = self._next_stream, self._next_stream + 2
            self._open[stream] = Answer(number, now)
            self._window -= len(message) + _PREFIX_OCTETS
            out += frame(HEADERS, END_HEADERS, stream, self._headers)
            out += frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(message)) + message)
        self._write(out)

    async def close(self) -> None:
        """End it, without a farewell; what is under way gets no answer."""
        if self._transport:
            self._transport.abort()
            await self._ended

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to speak."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        window = struct.pack(">I", _WINDOW - _FIRST_WINDOW)
        self._write(_PREFACE + frame(SETTINGS, 0, 0, _SETTINGS) + frame(WINDOW_UPDATE, 0, 0, window))

    def connection_lost(self, error: Exception | None) -> None:
        """Note it; calls under way are not answered."""
        self.lost = self.lost or str(error or "closed")
        self._ended.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(self.lost))

    def data_received(self, data: bytes) -> None:
        """Take in all frames that are complete."""
        buffer = self._buffer
        buffer += data
        at = 0
        while at + _HEADER_OCTETS <= len(buffer):
            first, flags, stream = struct.unpack_from(">IBI", buffer, at)
            end = at + _HEADER_OCTETS + (first >> 8)
            if end > len(buffer):
                break
            self._frame(first & 0xFF, flags, stream, bytes(buffer[at + _HEADER_OCTETS : end]))
            at = end
        del buffer[:at]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in (DATA, HEADERS, RST_STREAM):
            self._answer(kind, flags, stream, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._max_streams = dict(struct.iter_unpack(">HI", payload)).get(_MAX_CONCURRENT_STREAMS, self._max_streams)
            self._write(frame(SETTINGS, ACK, 0, b""))
            if not self.ready.done():
                self.ready.set_result(None)
        elif kind == PING and not flags & ACK:
            self._write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.lost = f"the server ends the connection: {payload[8:].decode(errors='replace')}"

    def _answer(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        answer = self._open.get(stream)
        if answer is None:
            # A stream that was reset after its end, as gRPC servers do with calls that they refuse early.
            return
        if kind == DATA:
            answer.message += payload
        elif kind == HEADERS:
            answer.trailers = payload
        if kind == RST_STREAM or flags & END_STREAM:
            del self._open[stream]
            answer.ended = time.perf_counter()
            self._on_answer(answer)

    def _write(self, octets: bytes | bytearray) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(octets)


async def connect(
    port: int, client: Path, method: str, deadline: int, on_answer: Callable[[Answer], None]
) -> Connection:
    """A connection to a server on this machine, when it may be used.

    Args:
        port: on the loopback.
        client: folder of the caller's certificate and key and the server's CA.
        method: such as `/linecert.v1.SigningService/SignDevice`.
        deadline: of each call, in seconds.
        on_answer: is given each answer.
    """
    context = ssl.create_default_context(cafile=client / "server-ca.pem")
    context.load_cert_chain(client / "certificate.pem", client / "key.pem")
    context.set_alpn_protocols(["h2"])
    headers = header_block(
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", method),
            (":authority", f"localhost:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", f"{deadline}S"),
        ]
    )
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(headers, on_answer), "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    await connection.ready
    return connection
