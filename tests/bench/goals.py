"""The figures that are to be reached, computed from a run's own measurements and baselines."""

from collections.abc import Iterator, Mapping
from typing import Final

from bench.figures import ECHO, SERVICE, Figure, Floor, Measurement, Point

CORES: Final = 2
"""Of the machine that the figures for RSA were set on: a signature there is the whole cost, and threads share it."""

BUSY: Final = 64
"""Callers at which ratios are taken."""

BATCHERS: Final = 16
"""Callers at which those of batches are taken: more have their requests wait in the server."""

P99_BOUNDS: Final[Mapping[int, float]] = {1: 2.5, 16: 15.0, 64: 45.0}
"""Milliseconds by number of callers."""

MEMORY_BOUND: Final = 120.0
"""Megabytes."""

Points = Mapping[Point, Measurement]


def figures(floors: Mapping[str, Floor], points: Points, batch: int) -> list[Figure]:
    """The figures that these measurements give; those that need a point which was not measured are left out.

    Args:
        floors: the floor by kind of issuer.
        points: the measurement of each point.
        batch: the size of batches.
    """
    databases = list(dict.fromkeys(point.database for point in points if point.server == SERVICE))
    found: list[Figure] = []
    if floor := floors.get("p256"):
        found.append(Figure("in-process issue / (CSR verify + sign + verify)", floor.issue / floor.raw, 1.7))
        found += [figure for database in databases for figure in _p256(floor, points, database, batch)]
    if floor := floors.get("rsa-4096"):
        found += [figure for database in databases for figure in _rsa(floor, points, database)]
    return [*found, *_memory(points)]


def _p256(floor: Floor, points: Points, database: str, batch: int) -> Iterator[Figure]:
    echo = points.get(Point(ECHO, "p256", "", 1, BUSY))
    busy = points.get(Point(SERVICE, "p256", database, 1, BUSY))
    if echo and busy:
        cpu = busy.cpu / (echo.cpu + floor.issue)
        yield Figure(f"{database}: server CPU at {BUSY} callers / (echo + in-process issue)", cpu, 1.4)
        yield Figure(f"{database}: rate at {BUSY} callers / echo rate", busy.rate / echo.rate, 0.40, at_least=True)
    batches = points.get(Point(SERVICE, "p256", database, batch, BATCHERS))
    if echo and batches:
        rate = batches.rate / echo.rate
        yield Figure(f"{database}: batches of {batch}: rate / echo rate", rate, 0.6, at_least=True)
        cpu = batches.cpu / floor.issue
        yield Figure(f"{database}: batches of {batch}: server CPU / in-process issue", cpu, 1.8)
    for callers, bound in P99_BOUNDS.items():
        if measured := points.get(Point(SERVICE, "p256", database, 1, callers)):
            name = f"{database}: p99 at {callers} caller{'s' if callers > 1 else ''}"
            yield Figure(name, measured.percentile(99) * 1000, bound, unit="ms")


def _rsa(floor: Floor, points: Points, database: str) -> Iterator[Figure]:
    if busy := points.get(Point(SERVICE, "rsa-4096", database, 1, BUSY)):
        rate = busy.rate / (CORES / floor.raw)
        name = f"{database}: RSA-4096, rate at {BUSY} callers / ({CORES} x raw rate of a thread)"
        yield Figure(name, rate, 0.5, at_least=True)


def _memory(points: Points) -> Iterator[Figure]:
    resident = [measured.resident for point, measured in points.items() if point.server == SERVICE]
    if resident:
        yield Figure("memory of a server, at most", max(resident) / 1e6, MEMORY_BOUND, unit="MB")
