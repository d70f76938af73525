"""The load generator: callers that send their next request as soon as the last one is answered.

It runs in a process of its own, and its cost is not the server's: it reads what the operating system accounts to the
server's process at both ends of the window. Why not h2load: it sends the same body with every request, which the
service answers as the repetition that it is, and it has no option for a client certificate (nghttp2 1.52).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil

from bench import channels, clocks, loops
from bench.callers import BatchCallers, Seen, UnaryCallers
from bench.channels import Call, methods
from bench.clocks import Reading
from bench.figures import Measurement, Point
from bench.servers import Target

DEADLINE_SECONDS: Final = channels.DEADLINE_SECONDS


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be sent.

    Attributes:
        target: where to.
        point: what is measured; each caller has a connection of its own.
        warm_up: seconds before the window; batches have none.
        seconds: length of the window; it ends earlier when `requests` run out. That of batches ends when all are
            answered: where there are many, one takes longer than the window.
        requests: octets of SignDeviceRequests; each is sent once.
    """

    target: Target
    point: Point
    warm_up: float
    seconds: float
    requests: Sequence[bytes] = field(repr=False)


def measure(load: Load) -> Measurement:
    """Send the load, and tell how it went."""
    return loops.run(_unary(load) if load.point.batch == 1 else _batched(load))


async def _unary(load: Load) -> Measurement:
    """A window cut out of steady load."""
    callers = UnaryCallers(load.requests)
    async with callers.connected(load.target, load.point.callers):
        await callers.run(load.warm_up)
        begin = await clocks.read(load.target)
        await callers.run(load.seconds)
        end = await clocks.read(load.target)
        await callers.stop()
    return _measurement(load, callers.seen, begin, end)


async def _batched(load: Load) -> Measurement:
    """A window from the first call to the last answer: no batch is cut in two."""
    callers = BatchCallers(load.requests, load.point.batch)
    async with callers.connected(load.target, load.point.callers):
        begin = await clocks.read(load.target)
        await callers.run(load.seconds)
        await callers.stop()
        end = await clocks.read(load.target)
    return _measurement(load, callers.seen, begin, end)


def _measurement(load: Load, seen: Seen, begin: Reading, end: Reading) -> Measurement:
    counted = [answer for answer in seen.answered if begin.time <= answer[0] < end.time]
    return Measurement(
        point=load.point,
        seconds=end.time - begin.time,
        certificates=sum(issued for _, _, issued in counted),
        latencies=sorted(latency for _, latency, _ in counted),
        server_cpu=end.server_cpu - begin.server_cpu,
        database_cpu=end.database_cpu - begin.database_cpu,
        generator_cpu=end.generator_cpu - begin.generator_cpu,
        failures=dict(seen.failures),
        resident=psutil.Process(load.target.pid).memory_info().rss,
        sent=seen.sent,
        commits=end.commits_since(begin),
        response=seen.response,
    )


__all__ = ["DEADLINE_SECONDS", "Call", "Load", "measure", "methods"]
