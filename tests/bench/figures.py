"""What is measured, and the figures that are to be reached. No input or output here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SERVICE: Final = "linecert"
ECHO: Final = "echo"

CORES: Final = 2
"""Of the machine that the figures for RSA were set on: a signature there is the whole cost, and threads share it."""

BUSY: Final = 64
"""Callers at which ratios are taken."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Some seconds of load on one server.

    Attributes:
        server: SERVICE or ECHO.
        callers: how many call at once, each again as soon as it is answered.
        seconds: length of the window.
        latencies: of the calls that were answered OK in it, ascending, in seconds.
        server_cpu: seconds of CPU that the server's process used in it, all threads, user and system.
        generator_cpu: the same of the load generator: near `seconds`, it is what limits the rate.
        failures: how often a status other than OK was the answer, by its name.
        resident: octets of memory of the server's process at the end.
        response: the last answer.
    """

    server: str
    callers: int
    seconds: float
    latencies: Sequence[float] = field(repr=False)
    server_cpu: float
    generator_cpu: float
    failures: Mapping[str, int]
    resident: int
    response: bytes = field(repr=False)

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.latencies) / self.seconds

    @property
    def cpu(self) -> float:
        """Seconds of the server's CPU a call."""
        return self.server_cpu / len(self.latencies)

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


P99_BOUNDS: Final[Mapping[int, float]] = {1: 2.5, 16: 15.0, 64: 45.0}
"""Milliseconds by number of callers."""

MEMORY_BOUND: Final = 120.0
"""Megabytes."""


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not ascending:
        raise ValueError("no percentile of nothing")
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def fastest(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The measurement with the highest rate for each server and number of callers.

    What disturbs a measurement on a shared machine only ever makes it slower.
    """
    best: dict[tuple[str, int], Measurement] = {}
    for measurement in measurements:
        point = measurement.server, measurement.callers
        if point not in best or measurement.rate > best[point].rate:
            best[point] = measurement
    return list(best.values())


def figures(issuer: str, floor: Floor, points: Sequence[Measurement]) -> list[Figure]:
    """The figures that these measurements give, for an issuer with this kind of key."""
    service = {point.callers: point for point in points if point.server == SERVICE}
    echo = {point.callers: point for point in points if point.server == ECHO}
    by_issuer = {"p256": _p256, "rsa-4096": _rsa}
    specific = by_issuer[issuer](floor, service, echo) if issuer in by_issuer else ()
    memory = max(point.resident for point in service.values()) / 1e6
    return [*specific, Figure("memory of the server", memory, MEMORY_BOUND, unit="MB")]


def _p256(floor: Floor, service: Mapping[int, Measurement], echo: Mapping[int, Measurement]) -> Iterator[Figure]:
    yield Figure("in-process issue / (CSR verify + sign + verify)", floor.issue / floor.raw, 1.7)
    if BUSY in service and BUSY in echo:
        cpu = service[BUSY].cpu / (echo[BUSY].cpu + floor.issue)
        yield Figure(f"server CPU at {BUSY} callers / (echo + in-process issue)", cpu, 1.4)
        rate = service[BUSY].rate / echo[BUSY].rate
        yield Figure(f"rate at {BUSY} callers / echo rate", rate, 0.40, at_least=True)
    for callers, bound in P99_BOUNDS.items():
        if callers in service:
            p99 = service[callers].percentile(99) * 1000
            yield Figure(f"p99 at {callers} caller{'s' if callers > 1 else ''}", p99, bound, unit="ms")


def _rsa(floor: Floor, service: Mapping[int, Measurement], _echo: Mapping[int, Measurement]) -> Iterator[Figure]:
    if BUSY in service:
        rate = service[BUSY].rate / (CORES / floor.raw)
        yield Figure(f"rate at {BUSY} callers / ({CORES} x raw rate of a thread)", rate, 0.5, at_least=True)
