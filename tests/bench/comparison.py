"""`make bench COMPARE=OLD.json`: how each figure changed since an earlier run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.document import FORM

_KEY: Final = ("server", "issuer", "database", "batch", "callers")
_VALUES: Final = {"rate": False, "server_cpu": True, "p50": True, "p99": True, "p99.9": True, "resident": True}
"""What is compared of a point, and whether less is better."""

NOTICED: Final = 0.10
"""Changes above this share are coloured; below lies what two runs of the same code may differ by."""


class NotComparable(Exception):
    """A file that is no result of this benchmark, in words for the user."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value then and now.

    Attributes:
        name: what it is.
        old: then.
        new: now.
        less_is_better: which way is better.
    """

    name: str
    old: float
    new: float
    less_is_better: bool

    @property
    def share(self) -> float:
        """By which part of the old value it grew; 0 where both are 0."""
        return (self.new - self.old) / self.old if self.old else 0.0

    @property
    def is_better(self) -> bool:
        """Whether it went the right way."""
        return (self.share < 0) == self.less_is_better


def read(path: Path) -> dict[str, Any]:
    """The document of an earlier run.

    Raises:
        NotComparable: the file cannot be read, or is none of this form.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotComparable(f"COMPARE: {path} cannot be read as JSON: give a file of bench-results/") from error
    if not isinstance(found, dict) or found.get("form") != FORM:
        raise NotComparable(f"COMPARE: {path} is not of this version of the benchmark: measure its commit anew")
    return found


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Every value that stands in both."""
    earlier = {tuple(point[name] for name in _KEY): point for point in old["points"]}
    for point in new["points"]:
        key = tuple(point[name] for name in _KEY)
        if before := earlier.get(key):
            words = " ".join(str(part) for part in key if part)
            for name, less in _VALUES.items():
                yield Change(f"{words}: {name}", before[name], point[name], less)
    figures = {figure["name"]: figure["value"] for figure in old["figures"]}
    for figure in new["figures"]:
        if figure["name"] in figures:
            yield Change(figure["name"], figures[figure["name"]], figure["value"], not figure["at_least"])


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What else is not the same, so that a change may be none of the code."""
    found = [f"{name}: then {old[name]}, now {new[name]}" for name in ("machine", "options") if old[name] != new[name]]
    packages = {name for name in new["versions"] if old["versions"].get(name) != new["versions"][name]}
    found += [f"{name}: then {old['versions'].get(name)}, now {new['versions'][name]}" for name in sorted(packages)]
    return [*found, f"load of the machine before: then {old['load']:.1f}, now {new['load']:.1f}"]


def show(old: Mapping[str, Any], new: Mapping[str, Any], out: Console) -> None:
    """Print the changes."""
    table = Table(title=f"Change since {old['date']}, commit {(old['commit'] or 'unknown')[:12]}")
    for heading in ("value", "then", "now", "change"):
        table.add_column(heading, justify="left" if heading == "value" else "right")
    for change in changes(old, new):
        table.add_row(change.name, f"{change.old:,.4g}", f"{change.new:,.4g}", _coloured(change))
    out.print(table)
    for difference in differences(old, new):
        out.print(difference, markup=False)


def _coloured(change: Change) -> str:
    text = f"{change.share:+.0%}"
    if abs(change.share) <= NOTICED:
        return text
    return f"[{'green' if change.is_better else 'red'}]{text}"
