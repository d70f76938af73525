"""A name server (RFC 1035) that knows one name, so that tests need none of the machine's."""

import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

_HEADER_OCTETS: Final = 12
_A: Final = 1
_IN: Final = 1
_ANSWER: Final = 0x8580  # a response, authoritative, recursion desired and available
_UNKNOWN: Final = 0x8583
_TTL_SECONDS: Final = 0
_POINTER: Final = 0xC000 | _HEADER_OCTETS


class NameServer:
    """Answers with the IPv4 addresses of a name, on a port of its own on the loopback; a context manager.

    Args:
        name: which it knows.
        addresses: of the name.
    """

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self._question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        self._addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # An empty datagram is the sign to end.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, caller = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._answer(query), caller)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", _HEADER_OCTETS) + 5
        question = query[_HEADER_OCTETS:end]
        known = question[:-4].lower() == self._question
        asked = struct.unpack(">HH", question[-4:])
        found = self._addresses if known and asked == (_A, _IN) else ()
        header = query[:2] + struct.pack(">HHHHH", _ANSWER if known else _UNKNOWN, 1, len(found), 0, 0)
        records = (
            struct.pack(">HHHIH", _POINTER, _A, _IN, _TTL_SECONDS, 4) + socket.inet_aton(address) for address in found
        )
        return header + question + b"".join(records)
