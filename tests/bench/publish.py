"""`make bench-docs`: the tables of README.md and docs/operations.md, made from a result of `make bench`.

The result itself becomes docs/benchmark.json and its plot docs/benchmark.svg: what the tables are held against, by a
test, and what a later run is compared with. A table stands between `<!-- bench:NAME -->` and `<!-- /bench -->`.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

if not __package__:
    # Run as a script: the modules beside it are the package `bench`.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import comparison, plot
from bench.capacity import LIGHT, UTILISATION
from bench.goals import BUSY
from bench.report import ROOT, milliseconds

PUBLISHED: Final = ROOT / "docs/benchmark.json"
DOCUMENTS: Final = ("README.md", "docs/operations.md")

Document = Mapping[str, Any]

_PART: Final = re.compile(r"(?P<begin><!-- bench:(?P<name>[a-z]+) -->\n).*?(?P<end><!-- /bench -->)", re.DOTALL)
_NAMES: Final = {"p256": "P-256", "p384": "P-384", "sqlite": "SQLite", "postgresql": "PostgreSQL"}
_DAYS: Final = 365


def render(text: str, document: Document) -> str:
    """A text with its tables made from a result.

    Raises:
        KeyError: it asks for a table that there is not.
    """
    return _PART.sub(lambda part: f"{part['begin']}{_PARTS[part['name']](document)}{part['end']}", text)


def speed(document: Document) -> str:
    """The README's table: a line for each issuer, database and kind of call."""
    callers = document["options"]["callers"]
    head = [
        "Issuer, store, calls",
        *(f"{number} caller{'s' if number > 1 else ''}" for number in callers),
        "of echo",
        "server CPU",
        "of raw crypto",
        "p50 / p99 / p99.9",
    ]
    return f"{_measured_on(document)}\n\n{_table(head, _speed_rows(document))}"


def capacity(document: Document) -> str:
    """The tables of the capacity model."""
    costs = _table(
        (
            "Measured",
            "interpreter: burst",
            "certificate",
            "signing thread",
            "lock: commit",
            "row",
            "database CPU",
            "on disk",
        ),
        ([_model(model), *_costs(model["costs"]), f"{model['octets']:,.0f} octets"] for model in document["models"]),
    )
    plans = _table(
        ("Computed", "certificates/s", "servers", "server cores", "databases", "database cores", "a day", "a year"),
        ([_model(model), *_plan(plan)] for model in document["models"] for plan in model["plans"]),
    )
    return f"{_measured_on(document)}\n\n{costs}\n{plans}\n{_deviation(document)}\n"


_PARTS: Final[Mapping[str, Callable[[Document], str]]] = {"speed": speed, "capacity": capacity}


def _measured_on(document: Document) -> str:
    machine, options = document["machine"], document["options"]
    return (
        f"Measured on {document['date'][:10]}: {machine['processor']}, {machine['cores']} cores for server, database "
        f"and callers together, {machine['memory'] / 2**30:.0f} GiB, Python {document['versions']['python']}; load of "
        f"the machine before: {document['load']:.1f}; {options['seconds']:g} s a measurement."
    )


def _speed_rows(document: Document) -> Iterator[list[str]]:
    lines: dict[tuple[str, ...], dict[int, Document]] = {}
    for point in document["points"]:
        lines.setdefault(_line(point), {})[point["callers"]] = point
    for line, points in lines.items():
        at = points.get(BUSY) or points[max(points)]
        rates = (
            f"{points[callers]['rate']:,.0f}/s" if callers in points else "-"
            for callers in document["options"]["callers"]
        )
        ratios = [
            "-" if at[name] is None else f"{at[name]:{form}}"
            for name, form in (("rate_to_echo", ".2f"), ("cpu_to_floor", ".1f"))
        ]
        latencies = " / ".join(milliseconds(at[name]) for name in ("p50", "p99", "p99.9"))
        yield [", ".join(line), *rates, ratios[0], _time(at["server_cpu"]), ratios[1], f"{latencies} ms"]


def _line(point: Document) -> tuple[str, ...]:
    if not point["database"]:
        return _named(point["issuer"]), "bare echo"
    return _named(point["issuer"]), _named(point["database"]), _calls(point["batch"])


def _model(model: Document) -> str:
    return f"{_named(model['issuer'])}, {_named(model['database'])}, {_calls(model['batch'])}"


def _costs(costs: Mapping[str, float]) -> Iterator[str]:
    return (_time(costs[name]) for name in ("burst", "certificate", "signature", "commit", "row", "database"))


def _plan(plan: Document) -> Iterator[str]:
    yield f"{plan['rate']:,}"
    yield f"{plan['servers']:,}"
    yield f"{plan['server_cores'] / UTILISATION:,.1f}"
    yield f"{plan['databases']:,}"
    yield f"{plan['database_cores'] / UTILISATION:,.1f}"
    yield _size(plan["octets"])
    yield _size(plan["octets"] * _DAYS)


def _deviation(document: Document) -> str:
    """How far the simulation is from the measurement, over the points that did not calibrate it."""
    off = sorted(
        abs(point["simulated"] / point["rate"] - 1)
        for point in document["points"]
        if point["simulated"] and (point["callers"], point["batch"]) != (LIGHT, 1)
    )
    if not off:
        return "No point was simulated."
    return (
        f"Simulated against measured rates, {len(off)} points that did not calibrate the model: "
        f"{statistics.median(off):.0%} off in the median, {off[-1]:.0%} at most."
    )


def _named(name: str) -> str:
    return _NAMES.get(name, name.upper())


def _calls(batch: int) -> str:
    return "single" if batch == 1 else f"batches of {batch}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us" if seconds else "-"


def _size(octets: float) -> str:
    return f"{octets / 1e9:,.0f} GB" if octets < 1e12 else f"{octets / 1e12:,.1f} TB"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    """Publish a result; the status is 1 when the file is none."""
    parser = argparse.ArgumentParser(prog="make bench-docs", usage="make bench-docs RESULT=bench-results/FILE.json")
    parser.add_argument("result", type=Path, help="a result of make bench")
    given = parser.parse_args(arguments).result
    try:
        document = comparison.read(given)
    except comparison.NotComparable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    PUBLISHED.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    plot.write(document, PUBLISHED.with_suffix(".svg"))
    for path in (ROOT / name for name in DOCUMENTS):
        path.write_text(render(path.read_text(encoding="utf-8"), document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
