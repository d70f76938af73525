"""`make bench-overload`: what becomes of the service when more comes than the machine can do.

First callers that wait for their answers show what the machine can do. Then calls come at 1 to 4 times that, whether or
not they are answered. Both sides share the machine: the generator's part of a core is printed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

if not __package__:
    # Run as a script: the modules beside it are the package `bench`, here and in the processes that it starts.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import psutil
from rich.console import Console
from rich.table import Table

from bench import devices, open_loop, report, stations
from bench.figures import Figure, percentile
from bench.http2 import Answer
from bench.open_loop import Came, Pace
from bench.servers import Target, install, linecert_server
from bench.stations import DROPPED, OTHER, OVERLOADED, kind_of

LOADS: Final = (1.0, 1.5, 2.0, 3.0, 4.0)
SKIP_SECONDS: Final = 0.5
"""Of each load, before the rate counts."""
PROBE_SECONDS: Final = 3.0
MAX_RATE: Final = 4_000
"""Requests that are made for a second of the probe."""


@dataclass(frozen=True, slots=True)
class Step:
    """A load, and how the server stood it.

    Attributes:
        load: times what the machine can do.
        rate: calls a second that came.
        served: of them, answered OK a second.
        p99: of the served, in seconds.
        refused_p99: of the refused, in seconds; 0 where none was.
        refusals: how many, by kind.
        unanswered: calls without an answer.
        resident: octets of memory of the server afterwards.
        cpu: cores that the server used.
        generator: the same of the load generator.
    """

    load: float
    rate: float
    served: float
    p99: float
    refused_p99: float
    refusals: Counter[str]
    unanswered: int
    resident: int
    cpu: float
    generator: float


def step_of(load: float, came: Came, cpu: float, resident: int) -> Step:
    """What a load came to."""
    passed = came.ended - came.began
    served, refused = came.latencies(ok=True), came.latencies(ok=False)
    return Step(
        load=load,
        rate=came.sent / passed,
        served=came.served(SKIP_SECONDS),
        p99=percentile(served, 99) if served else float("inf"),
        refused_p99=percentile(refused, 99) if refused else 0.0,
        refusals=Counter(kind_of(answer) for answer in came.answers if not answer.ok),
        unanswered=came.unanswered + came.held_back,
        resident=resident,
        cpu=cpu / passed,
        generator=came.busy,
    )


def figures(capacity: float, steps: Sequence[Step], missing: int) -> list[Figure]:
    """What is to be reached; `missing` answers were OK and are not in the log."""
    best = max(capacity, *(step.served for step in steps))
    worst = min(step.served for step in steps)
    growth = max(step.resident for step in steps) / steps[0].resident
    others = sum(step.refusals[OTHER] + step.unanswered for step in steps)
    return [
        Figure("lowest served rate / best", worst / best, 0.9, at_least=True),
        Figure("highest p99 of what is served", max(step.p99 for step in steps) * 1000, 1000, unit="ms"),
        Figure("highest p99 of refusals", max(step.refused_p99 for step in steps) * 1000, 1000, unit="ms"),
        Figure("memory at its highest / at load 1", growth, 1.1),
        Figure("answered OK and not in the log", missing, 0),
        Figure("answered otherwise, or not at all", others, 0),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write. The status is 1 when a figure is not reached."""
    parser = argparse.ArgumentParser(prog="make bench-overload", description="More load than the machine can do.")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each load (5)")
    parser.add_argument("--loads", type=float, nargs="+", default=list(LOADS), help="times what the machine can do")
    asked = parser.parse_args(arguments)
    if asked.seconds <= SKIP_SECONDS or min(asked.loads) <= 0:
        parser.error(f"seconds must be more than {SKIP_SECONDS}, loads more than 0")
    out = report.console()
    report.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.FOLDER, prefix="run.") as scratch:
        capacity, steps, reached = _measure(Path(scratch), asked.loads, asked.seconds, out)
    out.print(_table(capacity, steps))
    out.print(report.figures_table(reached))
    out.print(f"Written to {_write(capacity, steps, reached)}", soft_wrap=True)
    return 0 if all(figure.reached for figure in reached) else 1


def _measure(
    folder: Path, loads: Sequence[float], seconds: float, out: Console
) -> tuple[float, list[Step], list[Figure]]:
    with ProcessPoolExecutor(devices.cores(), get_context("spawn")) as pool:
        installation = install(folder / "server", "p256")
        clients = stations.callers(installation)
        answers: list[Answer] = []
        with linecert_server(installation) as target:
            made = devices.fresh_requests(int(MAX_RATE * PROBE_SECONDS), pool)
            probed = pool.submit(open_loop.run, Pace([target.port], clients, PROBE_SECONDS, made)).result()
            capacity = probed.served(SKIP_SECONDS)
            out.print(f"The machine can do {capacity:.0f} certificates a second")
            steps = []
            for load in loads:
                made = devices.fresh_requests(int(load * capacity * seconds), pool)
                pace = Pace([target.port], clients, seconds, made, rate=load * capacity)
                came, step = _load(target, load, pace, pool)
                answers += came.answers
                steps.append(step)
        return capacity, steps, figures(capacity, steps, stations.missing(installation, answers))


def _load(target: Target, load: float, pace: Pace, pool: ProcessPoolExecutor) -> tuple[Came, Step]:
    server = psutil.Process(target.pid)
    before = server.cpu_times()
    came = pool.submit(open_loop.run, pace).result()
    after = server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return came, step_of(load, came, cpu, server.memory_info().rss)


def _table(capacity: float, steps: Sequence[Step]) -> Table:
    table = Table(title=f"Load, as times {capacity:.0f} calls a second; SQLite, 4 stations")
    for heading in (
        "load",
        "calls/s",
        "served/s",
        "p99 ms",
        "OVERLOADED",
        "dropped",
        "other",
        "refused p99 ms",
        "RSS MB",
        "server cores",
        "generator",
    ):
        table.add_column(heading, justify="right")
    for step in steps:
        table.add_row(
            f"{step.load:g}",
            f"{step.rate:.0f}",
            f"{step.served:.0f}",
            f"{step.p99 * 1000:.0f}",
            str(step.refusals[OVERLOADED]),
            str(step.refusals[DROPPED]),
            str(step.refusals[OTHER] + step.unanswered),
            f"{step.refused_p99 * 1000:.0f}",
            f"{step.resident / 1e6:.0f}",
            f"{step.cpu:.2f}",
            f"{step.generator:.2f}",
        )
    return table


def _write(capacity: float, steps: Sequence[Step], reached: Sequence[Figure]) -> Path:
    document: dict[str, Any] = {
        "commit": report.commit(),
        "machine": report.machine(),
        "capacity": capacity,
        "steps": [{field.name: getattr(step, field.name) for field in fields(step)} for step in steps],
        "figures": [report.figure_document(figure) for figure in reached],
    }
    path = report.FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-overload.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
