"""What is measured. No input or output here; which figures are to be reached stands in `bench.goals`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SERVICE: Final = "linecert"
ECHO: Final = "echo"


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured under which load.

    Attributes:
        server: SERVICE or ECHO.
        issuer: kind of the issuer's key; with ECHO that of the chain in the answer, which decides on its size.
        database: of the audit store; empty with ECHO.
        batch: certificates a call: 1 is SignDevice, more is BatchSignDevices.
        callers: how many call at once, each again as soon as it is answered.
    """

    server: str
    issuer: str
    database: str
    batch: int
    callers: int


@dataclass(frozen=True, slots=True)
class Commits:
    """What the service counted of its transactions.

    Attributes:
        count: how many there were.
        seconds: how long they took, all together.
    """

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Some seconds of load on one server.

    Attributes:
        point: what was measured.
        seconds: length of the window.
        certificates: how many were answered OK in it; with ECHO, calls.
        latencies: of the calls that were answered OK in it, ascending, in seconds.
        server_cpu: seconds of CPU that the server's process used in it, all threads, user and system.
        database_cpu: the same of the database's processes, where it has some of its own; else 0.
        generator_cpu: the same of the load generator: near `seconds`, it is what limits the rate.
        failures: how often a status other than OK was the answer, by its name, items of batches included.
        resident: octets of memory of the server's process at the end.
        sent: requests that were used up, whenever they were answered.
        commits: of the service in the window; None with ECHO.
        response: the last answer.
    """

    point: Point
    seconds: float
    certificates: int
    latencies: Sequence[float] = field(repr=False)
    server_cpu: float
    database_cpu: float
    generator_cpu: float
    failures: Mapping[str, int]
    resident: int
    sent: int
    commits: Commits | None
    response: bytes = field(repr=False)

    @property
    def rate(self) -> float:
        """Certificates a second; with ECHO, calls a second."""
        return self.certificates / self.seconds

    @property
    def cpu(self) -> float:
        """Seconds of the server's CPU a certificate."""
        return self.server_cpu / self.certificates

    @property
    def rows(self) -> float:
        """Certificates a commit; 0 where nothing was committed."""
        return self.certificates / self.commits.count if self.commits and self.commits.count else 0.0

    def percentile(self, percent: float) -> float:
        """The latency that so many percent of the calls did not exceed, in seconds."""
        return percentile(self.latencies, percent)


@dataclass(frozen=True, slots=True)
class Floor:
    """What a certificate costs in one thread of one process. Seconds of CPU.

    Attributes:
        raw: what cryptography takes to verify a CSR, sign, and verify that signature.
        issue: a request to a verified certificate by the service's own code, without gRPC and store.
    """

    raw: float
    issue: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table of figures.

    Attributes:
        name: what it is.
        value: as measured.
        bound: what it is to reach.
        at_least: whether `bound` is the least it may be; else the most.
        unit: of both; empty for a ratio.
    """

    name: str
    value: float
    bound: float
    at_least: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the bound is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not ascending:
        raise ValueError("no percentile of nothing")
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def fastest(measurements: Sequence[Measurement]) -> dict[Point, Measurement]:
    """The measurement with the highest rate for each point, in the order in which points were first measured.

    What disturbs a measurement on a shared machine only ever makes it slower.
    """
    best: dict[Point, Measurement] = {}
    for measurement in measurements:
        point = measurement.point
        if point not in best or measurement.rate > best[point].rate:
            best[point] = measurement
    return best
