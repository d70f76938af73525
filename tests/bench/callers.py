"""Callers that send their next request as soon as the last one is answered, and what they saw.

Single calls go over a client of our own that costs little: grpc's takes 250 us a call, of a machine on which the server
and its database run as well. Batches go over grpc's own: there it is a few microseconds a certificate.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

import grpc
import grpc.aio
from google.rpc import code_pb2

from bench import channels, http2
from bench.servers import Target
from linecert.v1.signing_pb2 import BatchSignDevicesRequest, BatchSignDevicesResponse, SignDeviceRequest

_MESSAGE_PREFIX: Final = 5
"""Octets before a message in a gRPC stream."""

_STATUS: Final = b"grpc-status"


@dataclass(slots=True)
class Seen:
    """What callers saw.

    Attributes:
        answered: of each call that was answered OK, when, in how many seconds, and with how many certificates.
        failures: how often a status other than OK was the answer, by its name.
        response: octets of the last answer.
        sent: how many requests were sent.
    """

    answered: list[tuple[float, float, int]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    response: bytes = b""
    sent: int = 0


class UnaryCallers:
    """Callers of SignDevice.

    Args:
        requests: octets of SignDeviceRequests; each is sent once.
    """

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.seen = Seen()
        self._requests = iter(requests)
        self._connections: list[http2.Connection] = []
        self._calling = 0
        self._all_answered = asyncio.Event()
        self._stopping = False

    @contextlib.asynccontextmanager
    async def connected(self, target: Target, callers: int) -> AsyncIterator[None]:
        """Open a connection for each caller."""
        deadline = int(channels.DEADLINE_SECONDS)
        try:
            for number in range(callers):
                self._connections.append(
                    await http2.connect(
                        target.port, target.client, channels.SIGN_DEVICE, deadline, partial(self._on_answer, number)
                    )
                )
            yield
        finally:
            for connection in self._connections:
                await connection.close()

    async def run(self, seconds: float) -> None:
        """Let them call so long, or until there is no request left; calls may be under way afterwards."""
        if not self._calling:
            for connection in self._connections:
                self._calling += 1
                self._next(connection)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), seconds)

    async def stop(self) -> None:
        """Wait for the last answers; what gets none in time has failed."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), channels.DEADLINE_SECONDS)
        if unanswered := sum(connection.open_calls for connection in self._connections):
            self.seen.failures["without an answer"] += unanswered

    def _next(self, connection: http2.Connection) -> None:
        request = None if self._stopping else next(self._requests, None)
        if request is not None:
            self.seen.sent += 1
            connection.send([(0, request)])
            return
        self._calling -= 1
        if not self._calling:
            self._all_answered.set()

    def _on_answer(self, caller: int, answer: http2.Answer) -> None:
        if answer.ok:
            self.seen.response = answer.message[_MESSAGE_PREFIX:]
            self.seen.answered.append((answer.ended, answer.ended - answer.sent, 1))
        else:
            self.seen.failures[status_of(answer.trailers)] += 1
        self._next(self._connections[caller])


class BatchCallers:
    """Callers of BatchSignDevices.

    Args:
        requests: octets of SignDeviceRequests; each is sent once.
        size: of a batch.
    """

    def __init__(self, requests: Sequence[bytes], size: int) -> None:
        self.seen = Seen()
        # Made beforehand: the window is for calls.
        self._messages = iter(list(_batches(requests, size)))
        self._size = size
        self._methods: list[channels.Call] = []
        self._running: asyncio.Future[list[None]] | None = None
        self._stopping = False

    @contextlib.asynccontextmanager
    async def connected(self, target: Target, callers: int) -> AsyncIterator[None]:
        """Open a connection for each caller."""
        async with channels.methods(target, callers, channels.BATCH_SIGN_DEVICES) as self._methods:
            yield

    async def run(self, seconds: float) -> None:
        """Let them call so long, or until there is no request left; calls may be under way afterwards."""
        self._running = self._running or asyncio.gather(*map(self._caller, self._methods))
        await asyncio.wait([self._running], timeout=seconds)

    async def stop(self) -> None:
        """Wait for the last answers."""
        self._stopping = True
        if self._running:
            await self._running

    async def _caller(self, method: channels.Call) -> None:
        for message in self._messages:
            self.seen.sent += self._size
            started = time.perf_counter()
            try:
                self.seen.response = await method(message, timeout=channels.BATCH_DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                self.seen.failures[error.code().name] += self._size
            else:
                ended = time.perf_counter()
                self.seen.answered.append((ended, ended - started, self._issued()))
            if self._stopping:
                return

    def _issued(self) -> int:
        """How many certificates the last answer holds."""
        results = BatchSignDevicesResponse.FromString(self.seen.response).results
        failed = Counter(
            code_pb2.Code.Name(result.error.code) for result in results if result.WhichOneof("outcome") == "error"
        )
        self.seen.failures.update(failed)
        return len(results) - failed.total()


def status_of(trailers: bytes) -> str:
    """The name of the gRPC status in trailers as they came."""
    _, found, rest = trailers.partition(_STATUS)
    if not found:
        return "no status"
    return str(code_pb2.Code.Name(int(rest[1 : 1 + rest[0]])))


def _batches(requests: Sequence[bytes], size: int) -> Iterator[bytes]:
    remaining = iter(requests)
    while batch := list(islice(remaining, size)):
        messages = [SignDeviceRequest.FromString(request) for request in batch]
        yield BatchSignDevicesRequest(requests=messages).SerializeToString()
