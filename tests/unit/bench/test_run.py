"""The command line of the benchmark, and what it writes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bench import benchmark, plot, report, run
from bench.benchmark import Options
from bench.document import document
from bench.figures import ECHO, SERVICE
from support.bench_results import echo, measurement, point, results

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_defaults_are_all_that_the_figures_need() -> None:
    """`make bench` alone measures every point of the table of figures, on both databases, with both issuers."""
    asked, old = run.arguments([])
    assert asked == Options(("p256", "rsa-4096"), ("sqlite", "postgresql"), (1, 16, 64, 256), 50, 2.5, 1)
    assert old is None


def test_options_are_taken_from_the_command_line() -> None:
    """What is measured may be chosen; what is named twice is measured once."""
    given = (
        "--issuers p384 p384 --databases sqlite --callers 64 256 --batch 10 --seconds 1.5 --rounds 3 --compare a.json"
    )
    asked, old = run.arguments(given.split())
    assert asked == Options(("p384",), ("sqlite",), (64, 256), 10, 1.5, 3)
    assert old == Path("a.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--callers", "0"],
        ["--seconds", "-1"],
        ["--rounds", "0"],
        ["--issuers", "dsa"],
        ["--databases", "oracle"],
        ["--batch", "1"],
        ["--batch", "501"],
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(arguments: list[str]) -> None:
    """Nothing is started for it."""
    with pytest.raises(SystemExit, match="2"):
        run.arguments(arguments)


def test_a_file_to_compare_with_is_read_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is mistyped costs no minutes."""
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", "--compare", str(tmp_path / "none.json")])
    assert run.main() == 1
    assert "cannot be read" in capsys.readouterr().out.replace("\n", " ")


def test_a_point_whose_calls_alone_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """12,800 signatures of 5 ms are 32 s for two cores; of 1.4 ms they are 9."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    many = point(issuer="rsa-4096", batch=50, callers=256)
    assert benchmark._too_long(many, raw=5e-3)
    assert not benchmark._too_long(many, raw=1.4e-3)


def test_what_is_written_says_where_and_what_was_measured() -> None:
    """A result can be understood years later: machine, its load, date, versions, and every measurement."""
    written = json.loads(json.dumps(document(results(), NOW)))
    assert written["date"] == "2026-01-02T03:04:05+00:00"
    assert written["machine"]["cores"]
    assert written["load"] == 0.5
    assert written["versions"]["grpcio"]
    assert [one["server"] for one in written["measurements"]] == [SERVICE, ECHO, SERVICE, SERVICE]
    assert written["points"][0]["rate"] == 500
    assert {figure["name"] for figure in written["figures"]} >= {"sqlite: rate at 64 callers / echo rate"}


def test_points_are_held_against_the_baselines_of_the_same_load() -> None:
    """Rate against the echo with as many callers, CPU against cryptography alone; nothing where there is none."""
    alone, bare, busy, _ = document(results(), NOW)["points"]
    assert (alone["rate_to_echo"], busy["rate_to_echo"], bare["rate_to_echo"]) == (None, 1.0, None)
    assert busy["cpu_to_floor"] == pytest.approx(3.0)


def test_simulated_rates_stand_beside_the_measured_ones() -> None:
    """Wherever the run has what the model is calibrated with."""
    alone, bare, busy, batches = document(results(), NOW)["points"]
    assert all(one["simulated"] for one in (alone, busy, batches))
    assert bare["simulated"] is None
    assert document(results(measurement()), NOW)["points"][0]["simulated"] is None


def test_failed_calls_are_shown() -> None:
    """Figures of a run with failures are not mistaken for good ones."""
    out = Console(width=120)
    made = results(measurement(failures={"UNAVAILABLE": 3}), measurement(echo()))
    with out.capture() as shown:
        report.show(document(made, NOW), out)
    assert made.failures() == {"UNAVAILABLE": 3}
    assert "3 certificates were not issued: UNAVAILABLE" in shown.get()


def test_a_plot_of_the_same_result_is_the_same(tmp_path: Path) -> None:
    """It is an SVG with a curve for each server, and changes in a repository only when the result does."""
    written = document(results(), NOW)
    first, again = (plot.write(written, tmp_path / name).read_text() for name in ("a.svg", "b.svg"))
    assert first == again
    assert first.startswith("<?xml")
    assert "p256, sqlite" in first
    assert "p256, echo" in first
