"""What the benchmark prints, and the file that it writes."""

import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psutil
from cryptography.hazmat.backends.openssl import backend
from rich.console import Console
from rich.table import Table

from bench.figures import Figure

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "bench-results"
"""Ignored by git."""

_HEADINGS: Final = (
    "rate/s",
    "/ echo",
    "CPU us",
    "/ floor",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "rows",
    "simulated",
    "load",
)
_WIDTH: Final = 132
"""Where the output is no terminal."""


def console() -> Console:
    """Where the benchmark prints."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=_WIDTH)


def show(document: Mapping[str, Any], out: Console) -> None:
    """Print the measurements and the figures."""
    for issuer in document["floors"]:
        out.print(_points(issuer, [point for point in document["points"] if point["issuer"] == issuer]))
    out.print(
        "rate: certificates a second; / echo: of the echo's calls; CPU: the server's, a certificate; / floor: of CSR "
        "verify + sign + verify; rows: a commit; simulated: the rate by the capacity model; load: how much of a core "
        "the load generator used, which is in no other figure."
    )
    for issuer, floor in document["floors"].items():
        out.print(
            f"Issuer {issuer}, in one thread: CSR verify + sign + verify {floor['raw'] * 1e6:.0f} us, "
            f"in-process issue {floor['issue'] * 1e6:.0f} us"
        )
    out.print(figures_table(map(figure_of, document["figures"])))
    out.print(f"Load of the machine before: {document['load']:.1f}. Others that run take from every figure.")
    out.print(f"It took {document['took']:.0f} s.")
    for status, count in document["failures"].items():
        out.print(f"[red]{count} certificates were not issued: {status}")


def write(document: Mapping[str, Any]) -> Path:
    """Write a document as JSON to a new file in FOLDER; returns its path."""
    date = datetime.fromisoformat(document["date"])
    path = FOLDER / f"{date:%Y%m%dT%H%M%SZ}-bench.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def label(point: Mapping[str, Any]) -> str:
    """What was measured, beside issuer and callers, in words."""
    if not point["database"]:
        return str(point["server"])
    return str(point["database"]) if point["batch"] == 1 else f"{point['database']}, batches of {point['batch']}"


def _points(issuer: str, points: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(title=f"Issuer {issuer}")
    table.add_column("what", no_wrap=True)
    for heading in ("callers", *_HEADINGS):
        table.add_column(heading, justify="right")
    for point in points:
        table.add_row(label(point), str(point["callers"]), *_row(point))
    return table


def _row(point: Mapping[str, Any]) -> Iterator[str]:
    yield f"{point['rate']:,.0f}"
    yield _ratio(point["rate_to_echo"])
    yield f"{point['server_cpu'] * 1e6:,.0f}"
    yield _ratio(point["cpu_to_floor"])
    yield from (milliseconds(point[name]) for name in ("p50", "p99", "p99.9"))
    yield f"{point['rows']:.1f}" if point["rows"] else ""
    yield f"{point['simulated']:,.0f}" if point["simulated"] else ""
    yield f"{point['generator_busy']:.2f}"


def milliseconds(seconds: float) -> str:
    """A latency in milliseconds, with a decimal where it is short."""
    return f"{seconds * 1000:,.{1 if seconds < 1 else 0}f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


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


def figure_of(written: Mapping[str, Any]) -> Figure:
    """A figure as it was written."""
    return Figure(written["name"], written["value"], written["bound"], written["at_least"], written["unit"])


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
