"""Measurements and results as a run has them: good by default, with what is asked for changed."""

from dataclasses import replace
from typing import Any

from bench.benchmark import Options, Results
from bench.figures import ECHO, SERVICE, Commits, Floor, Measurement, Point

FLOOR = Floor(raw=100e-6, issue=150e-6)


def point(**changes: Any) -> Point:
    """Single calls of 64 callers to the service on SQLite."""
    return replace(Point(SERVICE, "p256", "sqlite", 1, 64), **changes)


def echo(**changes: Any) -> Point:
    """The same to the echo."""
    return point(server=ECHO, database="", **changes)


def measurement(where: Point | None = None, **changes: Any) -> Measurement:
    """Two seconds with a thousand calls of 1 to 1000 ms, at 300 us of CPU each, ten in a commit of 2 ms."""
    where = where or point()
    good = Measurement(
        point=where,
        seconds=2.0,
        certificates=1000,
        latencies=[number / 1000 for number in range(1, 1001)],
        server_cpu=0.3,
        database_cpu=0.1,
        generator_cpu=0.1,
        failures={},
        resident=80_000_000,
        sent=1100,
        commits=None if where.server == ECHO else Commits(100, 0.2),
        response=b"\x00",
    )
    return replace(good, **changes)


def results(*measurements: Measurement) -> Results:
    """A run with an issuer of P-256."""
    made = measurements or (
        measurement(point(callers=1), commits=Commits(1000, 0.5)),
        measurement(echo()),
        measurement(),
        measurement(point(batch=50, callers=16), latencies=[0.1] * 20),
    )
    options = Options(("p256",), ("sqlite",), (1, 16, 64), 50, seconds=2.0, rounds=1)
    return Results(
        options, load=0.5, took=9.0, floors={"p256": FLOOR}, measurements=made, octets={("p256", "sqlite"): 1100.0}
    )
