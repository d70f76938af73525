"""`make soak`: the service under 70 % of what the machine can do, for half an hour: does it stay as it is?

The load comes in slices, each with connections of its own, while the requests of the next slice are made. After each
slice the server is looked at. Memory and descriptors of the first slices are warm-up: caches fill, pools open.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil
from rich.console import Console

from bench import devices, open_loop, report, stations
from bench.figures import Figure, percentile
from bench.open_loop import Came, Pace
from bench.servers import Target, install, linecert_server
from bench.stations import OTHER, kind_of
from linecert_service.store.sqlite import AUTOCHECKPOINT_PAGES
from support.installations import Installation

LOAD: Final = 0.7
PROBE_SECONDS: Final = 3.0
MAX_RATE: Final = 4_000
"""Requests that are made for a second of the probe."""
LONG_MINUTES: Final = 10.0
"""From this length on memory and p99 are judged strictly: what a minute shows may be the end of the warm-up."""
WARM_UP_SHARE: Final = 0.3
PAGE_OCTETS: Final = 4_096
WAL_BOUND: Final = 1.2 * AUTOCHECKPOINT_PAGES * PAGE_OCTETS / 1e6
"""Megabytes: where a commit waits until the log can begin anew, and the burst that finds it so."""


@dataclass(frozen=True, slots=True)
class _Site:
    """What a soak goes on at."""

    target: Target
    installation: Installation
    clients: Sequence[Path]
    makers: ProcessPoolExecutor
    generator: ProcessPoolExecutor

    def send(self, seconds: float, requests: Sequence[bytes], rate: float | None = None) -> "Future[Came]":
        """Begin a load; without a rate, as much as the machine can do."""
        pace = Pace([self.target.port], self.clients, seconds, requests, rate=rate)
        return self.generator.submit(open_loop.run, pace)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some seconds of load, and what the server looked like after them.

    Attributes:
        at: when it ended, in seconds since the first began.
        served: calls answered OK a second.
        refused: how many were refused for overload.
        others: how many were answered otherwise, or not at all.
        p99: of the served, in seconds.
        resident: octets of memory of the server.
        files: its open descriptors.
        wal: octets of SQLite's write-ahead log.
    """

    at: float
    served: float
    refused: int
    others: int
    p99: float
    resident: int
    files: int
    wal: int


def figures(slices: Sequence[Slice], minutes: float, missing: int) -> list[Figure]:
    """What is to be reached. Memory of the last third is compared with that of the first third after the warm-up."""
    warm = slices[int(len(slices) * WARM_UP_SHARE) :]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    is_long = minutes >= LONG_MINUTES
    found = [
        Figure("memory at the end / after the warm-up", _ratio("resident", last, first), 1.05 if is_long else 1.25),
        Figure("descriptors at the end - after the warm-up", _median("files", last) - _median("files", first), 2),
        Figure("largest write-ahead log", max(part.wal for part in slices) / 1e6, WAL_BOUND, unit="MB"),
        Figure("answered OK and not in the log", missing, 0),
        Figure("answered otherwise, or not at all", sum(part.others for part in slices), 0),
    ]
    if is_long:
        found.append(Figure("p99 at the end / after the warm-up", _ratio("p99", last, first), 1.5))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write. The status is 1 when a figure is not reached."""
    parser = argparse.ArgumentParser(prog="make soak", description="A long load below what the machine can do.")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    minutes = parser.parse_args(arguments).minutes
    if minutes <= 0:
        parser.error("minutes must be more than 0")
    out = report.console()
    report.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.FOLDER, prefix="run.") as scratch:
        slices, reached = _measure(Path(scratch), minutes, out)
    out.print(report.figures_table(reached))
    document: dict[str, Any] = {
        "commit": report.commit(),
        "machine": report.machine(),
        "minutes": minutes,
        "slices": [asdict(part) for part in slices],
        "figures": [report.figure_document(figure) for figure in reached],
    }
    path = report.FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-soak.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    out.print(f"Written to {path}", soft_wrap=True)
    return 0 if all(figure.reached for figure in reached) else 1


def _measure(folder: Path, minutes: float, out: Console) -> tuple[list[Slice], list[Figure]]:
    installation = install(folder / "server", "p256")
    clients = stations.callers(installation)
    slices, missing = [], 0
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(devices.cores(), context) as makers,
        ProcessPoolExecutor(1, context) as generator,
        linecert_server(installation) as target,
    ):
        site = _Site(target, installation, clients, makers, generator)
        made = devices.fresh_requests(int(MAX_RATE * PROBE_SECONDS), makers)
        rate = LOAD * site.send(PROBE_SECONDS, made).result().served(skip=0.5)
        out.print(f"{rate:.0f} certificates a second: {LOAD:.0%} of what the machine can do")
        for part, came in _slices(site, rate, minutes * 60):
            slices.append(part)
            missing += stations.missing(installation, came.answers)
            out.print(
                f"{part.at:6.0f} s: {part.served:5.0f}/s, p99 {part.p99 * 1000:4.0f} ms, {part.refused} refused, "
                f"RSS {part.resident / 1e6:.1f} MB, {part.files} descriptors, WAL {part.wal / 1e6:.1f} MB"
            )
    return slices, figures(slices, minutes, missing)


def _slices(site: _Site, rate: float, seconds: float) -> Iterator[tuple[Slice, Came]]:
    """Load, and looks at the server, until the time is over."""
    length = min(20.0, max(2.0, seconds / 12))
    count = int(rate * length)
    made = devices.fresh_requests(count, site.makers)[:count]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        loading = site.send(length + 1, made, rate)
        made = devices.fresh_requests(count, site.makers)[:count]
        came = loading.result()
        yield _slice(came, site, time.perf_counter() - began), came


def _slice(came: Came, site: _Site, at: float) -> Slice:
    server = psutil.Process(site.target.pid)
    kinds = [kind_of(answer) for answer in came.answers if not answer.ok]
    return Slice(
        at=at,
        served=came.served(),
        refused=len(kinds) - kinds.count(OTHER),
        others=kinds.count(OTHER) + came.unanswered + came.held_back,
        p99=percentile(came.latencies(ok=True), 99),
        resident=server.memory_info().rss,
        files=server.num_fds(),
        wal=(site.installation.folder / "linecert.db-wal").stat().st_size,
    )


def _ratio(name: str, last: Sequence[Slice], first: Sequence[Slice]) -> float:
    return _median(name, last) / _median(name, first)


def _median(name: str, parts: Sequence[Slice]) -> float:
    return statistics.median(float(getattr(part, name)) for part in parts)


if __name__ == "__main__":
    sys.exit(main())
