"""What the benchmark prints, and the file that it writes."""

import json
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil
from cryptography.hazmat.backends.openssl import backend
from rich.console import Console
from rich.table import Table

from bench.benchmark import Results
from bench.figures import Figure, Measurement

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "bench-results"
"""Ignored by git."""

_PACKAGES: Final = ("linecert", "cryptography", "grpcio", "protobuf", "sqlalchemy", "uvloop")
_PERCENTILES: Final = (50, 99, 99.9)


def console() -> Console:
    """Where the benchmark prints."""
    return Console(highlight=False)


def show(results: Results, out: Console) -> None:
    """Print the measurements and the figures."""
    out.print(_points(results.points(), results.options.issuer))
    out.print(
        f"In one thread: CSR verify + sign + verify {results.floor.raw * 1e6:.0f} us, "
        f"in-process issue {results.floor.issue * 1e6:.0f} us"
    )
    out.print(figures_table(results.figures()))
    for status, count in results.failures().items():
        out.print(f"[red]{count} calls ended with {status}")


def write(results: Results) -> Path:
    """Write everything as JSON to a new file in FOLDER; returns its path."""
    now = datetime.now(UTC)
    path = FOLDER / f"{now:%Y%m%dT%H%M%SZ}-{results.options.issuer}.json"
    path.write_text(json.dumps(document(results, now), indent=2) + "\n")
    return path


def document(results: Results, now: datetime) -> dict[str, Any]:
    """What is written. Times in seconds but for `now`, memory in octets."""
    options = results.options
    return {
        "date": now.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "options": {"issuer": options.issuer, "seconds": options.seconds, "rounds": options.rounds},
        "floor": {"raw": results.floor.raw, "issue": results.floor.issue},
        "points": [_point(point) for point in results.points()],
        "measurements": [_point(measurement) for measurement in results.measurements],
        "figures": [figure_document(figure) for figure in results.figures()],
    }


def _points(points: Iterable[Measurement], issuer: str) -> Table:
    table = Table(title=f"Unary calls, issuer {issuer}, SQLite")
    for heading in ("server", "callers", "calls/s", "CPU us/call", *(f"p{p} ms" for p in _PERCENTILES), "RSS MB"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for point in points:
        table.add_row(
            point.server,
            str(point.callers),
            f"{point.rate:.0f}",
            f"{point.cpu * 1e6:.0f}",
            *(f"{point.percentile(percent) * 1000:.1f}" for percent in _PERCENTILES),
            f"{point.resident / 1e6:.0f}",
        )
    return table


def figures_table(figures: Iterable[Figure]) -> Table:
    """Each figure beside what it is to reach."""
    table = Table(title="Figures to reach")
    for heading in ("figure", "measured", "to reach", ""):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in figures:
        sign = ">=" if figure.at_least else "<="
        table.add_row(
            figure.name,
            f"{figure.value:.2f} {figure.unit}".rstrip(),
            f"{sign} {figure.bound:.2f} {figure.unit}".rstrip(),
            "[green]reached" if figure.reached else "[yellow]not yet",
        )
    return table


def _point(point: Measurement) -> dict[str, Any]:
    return {
        "server": point.server,
        "callers": point.callers,
        "seconds": point.seconds,
        "answered": len(point.latencies),
        "failures": dict(point.failures),
        "rate": point.rate,
        "server_cpu": point.cpu,
        "generator_busy": point.generator_cpu / point.seconds,
        "resident": point.resident,
        **{f"p{percent}": point.percentile(percent) for percent in _PERCENTILES},
    }


def figure_document(figure: Figure) -> dict[str, Any]:
    """A figure as it is written."""
    return {
        "name": figure.name,
        "value": figure.value,
        "bound": figure.bound,
        "at_least": figure.at_least,
        "unit": figure.unit,
        "reached": figure.reached,
    }


def commit() -> str | None:
    """The commit that was measured, with `+` when files differ from it; None outside a repository."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    answer = subprocess.run(git, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(),
        "openssl": backend.openssl_version_text(),
    }


def _processor() -> str:
    """The processor's name; Linux keeps it where Python's platform module does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
