"""`make bench-key-vault`: the service on a key vault that takes 30 ms and gives 300 signatures a second.

The vault is the double of the tests, a process of its own, which counts what it is asked. Two loads: as many callers as
may wait, each calling again when it is answered; and calls at the pace that the vault can just keep up with.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import grpc
import grpc.aio

from bench import devices, load, loops, report
from bench.figures import Figure, percentile
from bench.servers import Target, install, linecert_server
from support.key_vault.double import KeyVaultDouble, Seen, key_vault
from support.key_vault.servers import move_key, set_limit

LATENCY_SECONDS: Final = 0.03
RATE: Final = 300
LIMIT: Final = 10 * RATE
SHARE: Final = 0.95
WAITING: Final = 1_000
CONNECTIONS: Final = 16
WARM_UP_SECONDS: Final = 4.0


@dataclass(slots=True)
class Outcome:
    """What a load met.

    Attributes:
        answered: when each call was answered, and how long it took, in seconds.
        failures: how often another status than OK was the answer.
        seconds: length of the window that counts.
        begins: when the window began.
    """

    answered: list[tuple[float, float]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    begins: float = 0.0

    @property
    def latencies(self) -> list[float]:
        """Of the calls in the window, ascending."""
        ends = self.begins + self.seconds
        return sorted(latency for at, latency in self.answered if self.begins <= at < ends)

    async def call(self, method: load.Call, request: bytes) -> None:
        """Make one call."""
        started = time.perf_counter()
        try:
            await method(request, timeout=load.DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            self.failures[error.code().name] += 1
        else:
            ended = time.perf_counter()
            self.answered.append((ended, ended - started))


async def crowd(methods: Sequence[load.Call], requests: Iterator[bytes], seconds: float) -> Outcome:
    """WAITING callers at once, each of whom calls again when it is answered."""
    outcome = Outcome(seconds=seconds)
    stopping = asyncio.Event()

    async def caller(method: load.Call) -> None:
        while not stopping.is_set():
            await outcome.call(method, next(requests))

    callers = [asyncio.ensure_future(caller(method)) for method in itertools.islice(itertools.cycle(methods), WAITING)]
    await asyncio.sleep(WARM_UP_SECONDS)
    outcome.begins = time.perf_counter()
    await asyncio.sleep(seconds)
    stopping.set()
    await asyncio.gather(*callers)
    return outcome


async def matching(methods: Sequence[load.Call], requests: Iterator[bytes], seconds: float) -> Outcome:
    """Calls at a steady pace, whether or not the earlier ones are answered."""
    outcome = Outcome(seconds=seconds)
    started = time.perf_counter()
    outcome.begins = started + WARM_UP_SECONDS
    calls = []
    for number in range(int(RATE * SHARE * (WARM_UP_SECONDS + seconds))):
        await asyncio.sleep(max(0.0, started + number / (RATE * SHARE) - time.perf_counter()))
        calls.append(asyncio.ensure_future(outcome.call(methods[number % len(methods)], next(requests))))
    await asyncio.gather(*calls)
    return outcome


def figures(crowded: Outcome, matched: Outcome, seen: Seen) -> list[Figure]:
    """What is to be reached."""
    return [
        Figure("rate with 1,000 waiting", len(crowded.latencies) / crowded.seconds, SHARE * RATE, True, "/s"),  # noqa: FBT003
        Figure("failed calls with 1,000 waiting", crowded.failures.total(), 0),
        Figure("p99 at matching load", 1_000 * percentile(matched.latencies, 99), 250, unit="ms"),
        Figure("failed calls at matching load", matched.failures.total(), 0),
        Figure("most transactions in 10 s, as the vault counts", seen.peak, LIMIT),
        Figure("throttled by the vault", seen.requests.get("throttled", 0), 0),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write. The status is 1 when a figure was missed."""
    parser = argparse.ArgumentParser(prog="make bench-key-vault", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement (20)")
    seconds = parser.parse_args(arguments).seconds
    out = report.console()
    report.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.FOLDER, prefix="run.") as scratch:
        reached = _measure(Path(scratch), seconds)
    out.print(report.figures_table(reached))
    path = report.FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-key-vault.json"
    values = {figure.name: figure.value for figure in reached}
    path.write_text(
        json.dumps({"commit": report.commit(), "machine": report.machine(), "figures": values}, indent=2) + "\n"
    )
    out.print(f"Written to {path}")
    return 0 if all(figure.reached for figure in reached) else 1


def _measure(folder: Path, seconds: float) -> list[Figure]:
    count = int(RATE * (2 * seconds + 2 * WARM_UP_SECONDS)) + 3 * WAITING
    with ProcessPoolExecutor(devices.cores()) as pool:
        requests = iter(devices.fresh_requests(count, pool))
    installation = install(folder / "server", "p256")
    key = move_key(installation)
    set_limit(installation, LIMIT)
    with key_vault(folder / "vault", key) as double, _environment(double), linecert_server(installation) as target:
        double.let(latency=LATENCY_SECONDS, limit=LIMIT)
        crowded, matched = loops.run(_loads(target, requests, seconds))
        return figures(crowded, matched, double.seen())


@contextlib.contextmanager
def _environment(double: KeyVaultDouble) -> Iterator[None]:
    """What leads the server to the double."""
    with patch.dict(os.environ, double.environment):
        yield


async def _loads(target: Target, requests: Iterator[bytes], seconds: float) -> tuple[Outcome, Outcome]:
    async with load.methods(target, CONNECTIONS) as methods:
        crowded = await crowd(methods, requests, seconds)
        return crowded, await matching(methods, requests, seconds)


if __name__ == "__main__":
    sys.exit(main())
