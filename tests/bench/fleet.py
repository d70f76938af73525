"""`make bench-fleet`: two servers on one PostgreSQL beside one.

Servers, database and load generator share this machine. Where it has two cores, a second server finds no core of its
own: what is measured then is that two on one database do not get in each other's way, not what two machines would do.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
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
from bench.servers import copy, install, linecert_server
from support import postgres
from support.databases import new_postgresql_store

CALLERS: Final = 64
ROUNDS: Final = 2
SKIP_SECONDS: Final = 0.5
"""Of each measurement, before the rate counts."""
MAX_RATE: Final = 4_000
"""Requests that are made for a second of load."""


@dataclass(frozen=True, slots=True)
class Run:
    """Some seconds of load.

    Attributes:
        servers: how many were called.
        rate: certificates a second.
        p99: in seconds.
        failures: calls that were not answered OK.
        server_cores, database_cores, generator_cores: what they used of the machine.
    """

    servers: int
    rate: float
    p99: float
    failures: int
    server_cores: float
    database_cores: float
    generator_cores: float


def fastest(runs: Sequence[Run], servers: int) -> Run:
    """The run of so many servers with the highest rate: what disturbs one only ever makes it slower."""
    return max((run for run in runs if run.servers == servers), key=lambda run: run.rate)


def figures(runs: Sequence[Run], counts: Sequence[int], missing: int) -> list[Figure]:
    """What is to be reached: on a machine that one server fills, another one must not make it slower."""
    one, all_servers = fastest(runs, 1), fastest(runs, max(counts))
    return [
        Figure(f"rate of {max(counts)} servers / rate of one", all_servers.rate / one.rate, 0.9, at_least=True),
        Figure("calls that were not answered OK", sum(run.failures for run in runs), 0),
        Figure("answered OK and not in the log", missing, 0),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write. The status is 1 when a figure is not reached."""
    parser = argparse.ArgumentParser(prog="make bench-fleet", description="Several servers on one PostgreSQL.")
    parser.add_argument("--servers", type=int, default=2, help="how many (2)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measurement (5)")
    asked = parser.parse_args(arguments)
    if asked.servers < 2 or asked.seconds <= SKIP_SECONDS:
        parser.error(f"servers must be at least 2, and seconds more than {SKIP_SECONDS}")
    out = report.console()
    report.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.FOLDER, prefix="run.") as scratch:
        runs, reached = _measure(Path(scratch), (1, asked.servers), asked.seconds)
    _show(runs, reached, out)
    document: dict[str, Any] = {
        "commit": report.commit(),
        "machine": report.machine(),
        "runs": [asdict(run) for run in runs],
        "figures": [report.figure_document(figure) for figure in reached],
    }
    path = report.FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-fleet.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    out.print(f"Written to {path}", soft_wrap=True)
    return 0 if all(figure.reached for figure in reached) else 1


def _measure(folder: Path, counts: Sequence[int], seconds: float) -> tuple[list[Run], list[Figure]]:
    installed = install(folder / "site", "p256")
    clients = stations.callers(installed)
    store = new_postgresql_store()
    database = psutil.Process(postgres.cluster().postmaster())
    copies = [copy(installed, folder / f"server-{number}", store) for number in range(max(counts))]
    runs: list[Run] = []
    answers: list[Answer] = []
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(devices.cores(), get_context("spawn")))
        targets = [stack.enter_context(linecert_server(each)) for each in copies]
        servers = [psutil.Process(target.pid) for target in targets]
        for count in (*counts,) * ROUNDS:
            made = devices.fresh_requests(int(MAX_RATE * seconds), pool)
            pace = Pace([target.port for target in targets[:count]], clients, seconds, made, callers=CALLERS)
            before = _spent(servers), _spent([database])
            came = pool.submit(open_loop.run, pace).result()
            after = _spent(servers), _spent([database])
            runs.append(_run(count, came, after[0] - before[0], after[1] - before[1]))
            answers += came.answers
    return runs, figures(runs, counts, stations.missing(copies[0], answers))


def _run(servers: int, came: Came, server_cpu: float, database_cpu: float) -> Run:
    passed = came.ended - came.began
    return Run(
        servers=servers,
        rate=came.served(SKIP_SECONDS),
        p99=percentile(came.latencies(ok=True), 99),
        failures=sum(not answer.ok for answer in came.answers) + came.unanswered + came.held_back,
        server_cores=server_cpu / passed,
        database_cores=database_cpu / passed,
        generator_cores=came.busy,
    )


def _spent(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds of processes and their children, also of those that have ended."""
    spent = 0.0
    for process in processes:
        times = process.cpu_times()
        spent += times.children_user + times.children_system
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                spent += sum(each.cpu_times()[:2])
    return spent


def _show(runs: Sequence[Run], reached: Sequence[Figure], out: Console) -> None:
    table = Table(title=f"{CALLERS} callers, PostgreSQL, {psutil.cpu_count()} cores for all")
    for heading in ("servers", "certificates/s", "p99 ms", "server cores", "database cores", "generator cores"):
        table.add_column(heading, justify="right")
    for count in sorted({run.servers for run in runs}):
        run = fastest(runs, count)
        table.add_row(
            str(count),
            f"{run.rate:.0f}",
            f"{run.p99 * 1000:.0f}",
            f"{run.server_cores:.2f}",
            f"{run.database_cores:.2f}",
            f"{run.generator_cores:.2f}",
        )
    out.print(table)
    out.print(report.figures_table(reached))


if __name__ == "__main__":
    sys.exit(main())
