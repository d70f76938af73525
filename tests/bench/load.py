"""The load generator: callers that send their next request as soon as the last one is answered.

It runs in a process of its own, and its cost is not the server's: it reads what the operating system accounts to the
server's process at both ends of the window.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
import psutil

from bench import loops
from bench.figures import Measurement
from bench.servers import Target

METHOD: Final = "/linecert.v1.SigningService/SignDevice"
DEADLINE_SECONDS: Final = 30.0
_OPTIONS: Final = (
    # A connection for each channel, where gRPC would share one.
    ("grpc.use_local_subchannel_pool", 1),
)

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be sent.

    Attributes:
        target: where to.
        callers: how many at once, each with a connection of its own.
        warm_up: seconds before the window.
        seconds: length of the window; it ends earlier when `requests` run out.
        requests: each is sent once.
    """

    target: Target
    callers: int
    warm_up: float
    seconds: float
    requests: Sequence[bytes]


def measure(load: Load) -> Measurement:
    """Send the load, and tell how it went."""
    return loops.run(_measure(load))


class _Callers:
    """All callers of a load, and what they saw."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests: Iterator[bytes] = iter(requests)
        self.answered: list[tuple[float, float]] = []
        self.failures: Counter[str] = Counter()
        self.response = b""
        self.stopping = False

    async def call(self, method: Call) -> None:
        """Be one caller, until there is no request left or `stopping`."""
        for request in self._requests:
            if self.stopping:
                return
            started = time.perf_counter()
            try:
                self.response = await method(request, timeout=DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                self.failures[error.code().name] += 1
            else:
                ended = time.perf_counter()
                self.answered.append((ended, ended - started))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Clocks at one end of the window, in seconds."""

    time: float
    server_cpu: float
    generator_cpu: float

    @classmethod
    def of(cls, server: psutil.Process) -> "_Reading":
        spent = server.cpu_times()
        return cls(time.perf_counter(), spent.user + spent.system, time.process_time())


async def _measure(load: Load) -> Measurement:
    server = psutil.Process(load.target.pid)
    callers = _Callers(load.requests)
    async with _methods(load.target, load.callers) as methods:
        running = asyncio.gather(*map(callers.call, methods))
        await _pass(load.warm_up, running)
        begin = _Reading.of(server)
        await _pass(load.seconds, running)
        end = _Reading.of(server)
        callers.stopping = True
        await running
    return Measurement(
        server=load.target.name,
        callers=load.callers,
        seconds=end.time - begin.time,
        latencies=sorted(latency for at, latency in callers.answered if begin.time <= at < end.time),
        server_cpu=end.server_cpu - begin.server_cpu,
        generator_cpu=end.generator_cpu - begin.generator_cpu,
        failures=dict(callers.failures),
        resident=server.memory_info().rss,
        response=callers.response,
    )


async def _pass(seconds: float, running: "asyncio.Future[list[None]]") -> None:
    """Wait so long, or until all callers have ended."""
    await asyncio.wait([running], timeout=seconds)


@contextlib.asynccontextmanager
async def _methods(target: Target, callers: int) -> AsyncIterator[list[Call]]:
    """The method to call, over a connection for each caller."""
    credentials = _credentials(target.client)
    async with contextlib.AsyncExitStack() as channels:
        opened = [
            await channels.enter_async_context(
                grpc.aio.secure_channel(f"localhost:{target.port}", credentials, _OPTIONS)
            )
            for _ in range(callers)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in opened))
        yield [channel.unary_unary(METHOD) for channel in opened]


def _credentials(client: Path) -> grpc.ChannelCredentials:
    server_ca, key, certificate = (
        (client / name).read_bytes() for name in ("server-ca.pem", "key.pem", "certificate.pem")
    )
    return grpc.ssl_channel_credentials(server_ca, key, certificate)
