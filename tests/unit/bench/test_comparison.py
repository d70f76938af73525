"""`make bench COMPARE=OLD.json`."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import comparison
from bench.comparison import Change, NotComparable
from bench.document import document
from support.bench_results import results

NEW = document(results(), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def earlier(**changes: Any) -> dict[str, Any]:
    """The same run, with other values of its busiest point."""
    old = deepcopy(NEW)
    old["points"][2].update(changes)
    return old


def test_each_value_of_both_runs_is_compared() -> None:
    """By what was measured, not by its place in the file."""
    old = earlier(rate=1000.0, p99=0.495)
    old["points"].reverse()
    found = {change.name: change for change in comparison.changes(old, NEW)}
    rate = found["linecert p256 sqlite 1 64: rate"]
    assert (rate.old, rate.new, rate.share, rate.is_better) == (1000, 500, -0.5, False)
    assert found["linecert p256 sqlite 1 64: p99"].share == pytest.approx(1.0)
    assert found["sqlite: rate at 64 callers / echo rate"].share == 0


def test_what_only_one_run_has_is_left_out() -> None:
    """Another set of points is no error."""
    old = earlier(callers=32)
    assert not [change for change in comparison.changes(old, NEW) if "sqlite 1 64" in change.name]


@pytest.mark.parametrize("less_is_better, new, better", [(False, 2, True), (False, 0.5, False), (True, 0.5, True)])
def test_better_is_the_right_way(less_is_better: bool, new: float, better: bool) -> None:
    """More calls, less time."""
    assert Change("x", 1.0, new, less_is_better).is_better is better


def test_what_may_explain_a_change_is_named() -> None:
    """Another machine, other versions and another load are no change of the code."""
    old = earlier()
    old["versions"]["grpcio"] = "1.0"
    old["machine"] = old["machine"] | {"cores": 96}
    old["load"] = 7.0
    out = Console(width=200)
    with out.capture() as shown:
        comparison.show(old, NEW, out)
    assert "grpcio: then 1.0" in shown.get()
    assert "'cores': 96" in shown.get()
    assert "load of the machine before: then 7.0, now 0.5" in shown.get()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    """In a sentence, and not in the middle of a table."""
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(NotComparable, match=r"old\.json"):
        comparison.read(path)


def test_what_was_written_can_be_read(tmp_path: Path) -> None:
    """A run compares with itself without a change."""
    path = tmp_path / "old.json"
    path.write_text(json.dumps(NEW))
    assert comparison.read(path) == NEW
    assert {change.share for change in comparison.changes(comparison.read(path), json.loads(path.read_text()))} == {0}
