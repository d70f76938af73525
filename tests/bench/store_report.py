"""What the benchmark of the store prints, and the file that it writes."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench import report
from bench.store_figures import Appends, Query, Results

_PACKAGES: Final = ("linecert", "cryptography", "sqlalchemy", "psycopg")
_PERCENTILES: Final = (50, 99)


def show(results: Results, out: Console) -> None:
    """Print the measurements and the figures."""
    title = f"{results.database}, {results.size:,} entries"
    out.print(_appends(results, title), _queries(results, title))
    for done in results.verifications:
        out.print(f"{done.name}: {done.rate:,.0f} entries/s")
    out.print(
        f"On disk: {results.octets / 1e6:,.0f} MB, {results.octets / results.size:.0f} octets an entry. "
        f"Filled at {results.entries / results.fill_seconds:,.0f} entries/s."
    )
    out.print(f"Load of the machine before: {results.load:.1f}. Others that run take from every figure.")
    out.print(report.figures_table(results.figures()))
    for problem in results.problems():
        out.print(f"[red]{problem}")


def write(results: Results) -> Path:
    """Write everything as JSON to a new file in `report.FOLDER`; returns its path."""
    now = datetime.now(UTC)
    path = report.FOLDER / f"{now:%Y%m%dT%H%M%SZ}-store-{results.database}-{results.entries}.json"
    path.write_text(json.dumps(document(results, now), indent=2) + "\n")
    return path


def document(results: Results, now: datetime) -> dict[str, Any]:
    """What is written. Times in seconds but for `now`, latencies in milliseconds, sizes in octets."""
    return {
        "date": now.isoformat(timespec="seconds"),
        "commit": report.commit(),
        "machine": report.machine(),
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "database": results.database,
        "settings": results.settings,
        "load": results.load,
        "entries": results.entries,
        "fill_seconds": results.fill_seconds,
        "size": results.size,
        "octets": results.octets,
        "resident": results.resident,
        "appends": [_append(append) for append in results.appends],
        "queries": [_query(query) for query in results.queries],
        "verifications": [
            {"name": done.name, "entries": done.entries, "seconds": done.seconds, "problems": list(done.problems)}
            for done in results.verifications
        ],
        "figures": [report.figure_document(figure) for figure in results.figures()],
    }


def _appends(results: Results, title: str) -> Table:
    table = Table(title=f"Append to {title}")
    for heading in ("burst", "rows/s", "us/row", *(f"p{percent} ms" for percent in _PERCENTILES)):
        table.add_column(heading, justify="right")
    for append in results.appends:
        latencies = (f"{append.percentile(percent):.2f}" for percent in _PERCENTILES)
        table.add_row(str(append.burst), f"{append.rate:,.0f}", f"{1e6 / append.rate:.0f}", *latencies)
    return table


def _queries(results: Results, title: str) -> Table:
    table = Table(title=f"Queries of {title}")
    for heading in ("query", "rows", "asked", *(f"p{percent} ms" for percent in _PERCENTILES)):
        table.add_column(heading, justify="left" if heading == "query" else "right")
    for query in results.queries:
        latencies = (f"{query.percentile(percent):.2f}" for percent in _PERCENTILES)
        table.add_row(query.name, f"{query.found:.0f}", str(len(query.latencies)), *latencies)
    return table


def _append(append: Appends) -> dict[str, Any]:
    return {
        "burst": append.burst,
        "bursts": len(append.latencies),
        "rate": append.rate,
        **{f"p{percent}": append.percentile(percent) for percent in _PERCENTILES},
    }


def _query(query: Query) -> dict[str, Any]:
    return {
        "name": query.name,
        "asked": len(query.latencies),
        "rows": query.found,
        **{f"p{percent}": query.percentile(percent) for percent in _PERCENTILES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
