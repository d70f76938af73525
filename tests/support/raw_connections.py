"""Connections to a server below gRPC: plain TCP, TLS, and HTTP/2 whose every frame is ours. All of it blocks."""

import contextlib
import ssl
import struct
import tempfile
from collections.abc import Iterator
from socket import create_connection, socket
from typing import Self

import h2.config
import h2.connection
import h2.events

from support.server import STATION, Credential, Running

SECONDS = 60
"""For whatever is awaited: nothing takes as long, but a machine that is at its limit."""
_HEAD = 9
SIGN_DEVICE = "/linecert.v1.SigningService/SignDevice"


def tcp(server: Running) -> socket:
    """A TCP connection."""
    host, _, port = server.target.rpartition(":")
    return create_connection((host, int(port)), SECONDS)


def context(server: Running, credential: Credential | None, *protocols: str) -> ssl.SSLContext:
    """A TLS client that checks the server, and shows `credential`."""
    made = ssl.create_default_context(cafile=str(server.installation.layout.server_ca))
    made.set_alpn_protocols(protocols or ("h2",))
    if credential:
        with tempfile.NamedTemporaryFile() as file:
            file.write(credential.key + credential.certificate)
            file.flush()
            made.load_cert_chain(file.name)
    return made


def station_credential(server: Running, name: str = STATION) -> Credential:
    """What a caller of the installation has."""
    folder = server.installation.layout.client(name)
    return Credential((folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes())


def tls(server: Running, made: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS connection. Raises OSError where the server does not want it; with TLS 1.3 maybe only on reading."""
    connection = tcp(server)
    try:
        return made.wrap_socket(connection, server_hostname="localhost")
    except BaseException:
        connection.close()
        raise


def client_hello(server: Running) -> bytes:
    """The first octets of a TLS handshake."""
    outgoing = ssl.MemoryBIO()
    handshake = context(server, None).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def is_closed(connection: socket) -> bool:
    """Read until the peer closes, however it does that; False when it has not in `SECONDS`."""
    connection.settimeout(SECONDS)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


class Http2:
    """An HTTP/2 connection with a station's certificate.

    Attributes:
        frames: h2's state machine, which makes the frames.
        socket: where they go.
    """

    def __init__(self, server: Running, made: ssl.SSLContext) -> None:
        self.frames = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.socket = tls(server, made)
        self.frames.initiate_connection()
        self.flush()
        self._received = b""
        self._events: list[h2.events.Event] = []

    @classmethod
    @contextlib.contextmanager
    def to(cls, server: Running) -> Iterator[Self]:
        """One of station-01, which is closed in the end."""
        connection = cls(server, context(server, station_credential(server)))
        with connection.socket:
            yield connection

    def flush(self) -> None:
        """Send what h2 has to send."""
        self.socket.sendall(self.frames.data_to_send())

    def begin(self, path: str = SIGN_DEVICE, *, metadata: tuple[tuple[str, str], ...] = ()) -> int:
        """Begin a call; gives its stream."""
        stream = self.frames.get_next_available_stream_id()
        headers = (
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        )
        self.frames.send_headers(stream, headers)
        return stream

    def wait_for(self, kind: type[h2.events.Event]) -> h2.events.Event:
        """The next event of this kind; those before it are dropped. Raises ConnectionError at the connection's end."""
        self.socket.settimeout(SECONDS)
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, kind):
                    return event
            self._events += self.frames.receive_data(self._frame())
            with contextlib.suppress(OSError):
                self.flush()

    def _frame(self) -> bytes:
        """One frame: of several at once h2 would lose the events of the first ones, where a later one surprises it."""
        while len(self._received) < _HEAD or len(self._received) < self._length():
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("the server has closed the connection")
            self._received += data
        frame, self._received = self._received[: self._length()], self._received[self._length() :]
        return frame

    def _length(self) -> int:
        return _HEAD + int.from_bytes(self._received[:3], "big")

    def status(self) -> int:
        """The grpc-status of the call that ends next."""
        while True:
            event = self.wait_for(h2.events.Event)
            if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                headers = {bytes(name): bytes(value) for name, value in event.headers}
                if b"grpc-status" in headers:
                    return int(headers[b"grpc-status"])


def message(data: bytes) -> bytes:
    """A gRPC message: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(data)) + data
