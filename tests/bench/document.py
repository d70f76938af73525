"""What a run is written as: everything that was measured, and what follows from it."""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, cast

from bench import report
from bench.benchmark import Results
from bench.capacity import Costs, batched, calibrate, plan
from bench.figures import ECHO, SERVICE, Measurement, Point
from bench.simulation import Scenario, simulate
from support.databases import SQLITE

FORM: Final = 2
"""Raised when what is written changes its form."""

RATES: Final = (1_000, 10_000, 100_000)
"""Certificates a second that are planned for."""

PERCENTILES: Final = (50, 99, 99.9)

_PACKAGES: Final = ("linecert", "cryptography", "grpcio", "protobuf", "psycopg", "sqlalchemy", "uvloop")

Models = Mapping[tuple[str, str, int], Costs]
"""Costs by issuer, database and size of batches."""


def document(results: Results, now: datetime | None = None) -> dict[str, Any]:
    """Everything, fit for JSON. Times in seconds but for the date, memory and disk in octets."""
    points = results.points()
    models = dict(_models(results))
    machine = report.machine()
    options = results.options
    written = {
        "form": FORM,
        "date": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "commit": report.commit(),
        "machine": machine,
        "load": results.load,
        "took": results.took,
        "versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "options": asdict(options),
        "floors": {issuer: asdict(floor) for issuer, floor in results.floors.items()},
        "points": [_point(measured, results, models, machine["cores"]) for measured in points.values()],
        "measurements": [_measured(measured) for measured in results.measurements],
        "figures": [report.figure_document(figure) for figure in results.figures()],
        "models": [
            {
                "issuer": issuer,
                "database": database,
                "batch": batch,
                "costs": asdict(costs),
                "octets": results.octets[issuer, database],
                "plans": _plans(costs, results.octets[issuer, database], database),
            }
            for (issuer, database, batch), costs in models.items()
        ],
        "failures": dict(results.failures()),
    }
    # As it is read again: a result that is written compares equal with itself.
    return cast("dict[str, Any]", json.loads(json.dumps(written)))


def _measured(measured: Measurement) -> dict[str, Any]:
    return asdict(measured.point) | {
        "seconds": measured.seconds,
        "certificates": measured.certificates,
        "failures": dict(measured.failures),
        "rate": measured.rate,
        "server_cpu": measured.cpu,
        "database_cpu": measured.database_cpu / measured.certificates,
        "generator_busy": measured.generator_cpu / measured.seconds,
        "resident": measured.resident,
        "rows": measured.rows,
        "commit": measured.commits.seconds / measured.commits.count if measured.rows and measured.commits else 0.0,
        **{f"p{percent}": measured.percentile(percent) for percent in PERCENTILES},
    }


def _point(measured: Measurement, results: Results, models: Models, cores: int) -> dict[str, Any]:
    """A measurement with what it is held against."""
    point = measured.point
    echo = results.points().get(Point(ECHO, point.issuer, "", 1, point.callers))
    is_service = point.server == SERVICE
    costs = models.get((point.issuer, point.database, point.batch))
    scenario = Scenario(costs, callers=point.callers, batch=point.batch, cores=cores) if costs else None
    return _measured(measured) | {
        "rate_to_echo": measured.rate / echo.rate if echo and is_service else None,
        "cpu_to_floor": measured.cpu / results.floors[point.issuer].raw if is_service else None,
        "simulated": simulate(scenario).rate if scenario else None,
    }


def _models(results: Results) -> Iterator[tuple[tuple[str, str, int], Costs]]:
    points = results.points()
    for issuer in results.options.issuers:
        for database in results.options.databases:
            if costs := calibrate(points, results.floors, issuer, database):
                yield (issuer, database, 1), costs
                if whole := batched(costs, points, issuer, database, results.options.batch):
                    yield (issuer, database, results.options.batch), whole


def _plans(costs: Costs, octets: float, database: str) -> list[dict[str, Any]]:
    """What rates take; nothing for SQLite, of which there is one server and one database."""
    return [] if database == SQLITE else [asdict(plan(costs, octets, rate)) for rate in RATES]
