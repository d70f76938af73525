"""The plot of a run: rate, CPU and p99 by number of callers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import SERVICE

_Value = Callable[[Mapping[str, Any]], float]
_ROWS: Final[tuple[tuple[str, _Value], ...]] = (
    ("certificates a second", lambda point: point["rate"]),
    ("server CPU, us a certificate", lambda point: point["server_cpu"] * 1e6),
    ("p99 of a call, ms", lambda point: point["p99"] * 1000),
)
_COLOURS: Final = {"p256": "tab:blue", "rsa-4096": "tab:red"}
_DASHES: Final = {"sqlite": "-", "postgresql": "--", "": ":"}


def write(document: Mapping[str, Any], path: Path) -> Path:
    """Draw a document as SVG into `path`, which is returned. The same document gives the same octets."""
    sizes = sorted({point["batch"] for point in document["points"]})
    figure = Figure(figsize=(5 * len(sizes), 10), layout="constrained")
    grid = figure.subplots(len(_ROWS), len(sizes), squeeze=False, sharex=True, sharey="row")
    for axes_of_row, (label, value) in zip(grid, _ROWS, strict=True):
        for axes, size in zip(axes_of_row, sizes, strict=True):
            _draw(axes, [point for point in document["points"] if point["batch"] == size], value)
            axes.set_ylabel(label)
    for axes, size in zip(grid[0], sizes, strict=True):
        axes.set_title("single calls" if size == 1 else f"batches of {size}")
        axes.legend(fontsize="small")
    for axes in grid[-1]:
        axes.set_xlabel("callers")
    machine = document["machine"]
    figure.suptitle(f"linecert on {machine['processor']}, {machine['cores']} cores, {document['date'][:10]}")
    with mpl.rc_context({"svg.hashsalt": "linecert", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _draw(axes: Axes, points: list[Mapping[str, Any]], value: _Value) -> None:
    series: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for point in points:
        name = point["server"], point["issuer"], point["database"]
        series.setdefault(name, []).append((point["callers"], value(point)))
    for (server, issuer, database), places in series.items():
        callers, values = zip(*sorted(places), strict=True)
        label = f"{issuer}, {database if server == SERVICE else server}"
        axes.plot(callers, values, _DASHES.get(database, "-."), marker=".", color=_COLOURS.get(issuer), label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    ticks = sorted({point["callers"] for point in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.grid(visible=True, which="both", alpha=0.3)
