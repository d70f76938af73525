"""What is read at both ends of a window: the clock, the operating system's accounts, the service's own counters."""

import asyncio
import time
import urllib.request
from dataclasses import dataclass
from typing import Final

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.figures import Commits
from bench.servers import Target

_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One end of a window. All in seconds.

    Attributes:
        time: on a clock that only goes forward.
        server_cpu: CPU that the server's process has used.
        database_cpu: the same of the database's processes.
        generator_cpu: the same of this process.
        commits: of the service since its start; None where nobody counts them.
    """

    time: float
    server_cpu: float
    database_cpu: float
    generator_cpu: float
    commits: Commits | None

    def commits_since(self, earlier: "Reading") -> Commits | None:
        """Those between two readings."""
        if self.commits is None or earlier.commits is None:
            return None
        return Commits(self.commits.count - earlier.commits.count, self.commits.seconds - earlier.commits.seconds)


async def read(target: Target) -> Reading:
    """Read everything now."""
    commits = await asyncio.to_thread(_commits, target.metrics_port) if target.metrics_port else None
    return Reading(
        time=time.perf_counter(),
        server_cpu=_spent(psutil.Process(target.pid)),
        database_cpu=_of_all(psutil.Process(target.database_pid)) if target.database_pid else 0.0,
        generator_cpu=time.process_time(),
        commits=commits,
    )


def _spent(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system


def _of_all(parent: psutil.Process) -> float:
    """Of a process, its children, and those that have ended."""
    ended = parent.cpu_times()
    return ended.children_user + ended.children_system + sum(map(_spent, [parent, *parent.children(recursive=True)]))


def _commits(port: int) -> Commits:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_PATIENCE_SECONDS) as answer:
        text = answer.read().decode()
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.name == "linecert_stage_seconds" and sample.labels.get("stage") == "commit"
    }
    return Commits(int(found.get("linecert_stage_seconds_count", 0)), found.get("linecert_stage_seconds_sum", 0.0))
