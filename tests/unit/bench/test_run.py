"""The command line of the benchmark, and what it writes."""

import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bench import report, run
from bench.benchmark import Options, Results
from bench.figures import ECHO, SERVICE, Floor, Measurement

RESULTS = Results(
    Options("p256", (64,), seconds=1.0, rounds=1),
    Floor(raw=100e-6, issue=150e-6),
    [
        Measurement(
            server=server,
            callers=64,
            seconds=1.0,
            latencies=[0.01, 0.02],
            server_cpu=0.001,
            generator_cpu=0.5,
            failures=failures,
            resident=80_000_000,
            response=b"\x00",
        )
        for server, failures in ((SERVICE, {"UNAVAILABLE": 3}), (ECHO, {}))
    ],
)


def test_the_defaults_are_the_points_of_the_figures() -> None:
    """`make bench` alone measures what the table of figures needs."""
    assert run.options([]).callers == (1, 16, 64)


def test_options_are_taken_from_the_command_line() -> None:
    """Issuer, callers, seconds and rounds may be chosen."""
    asked = run.options(["--issuer", "rsa-4096", "--callers", "64", "256", "--seconds", "1.5", "--rounds", "3"])
    assert asked == Options("rsa-4096", (64, 256), 1.5, 3)


@pytest.mark.parametrize("arguments", [["--callers", "0"], ["--seconds", "-1"], ["--rounds", "0"], ["--issuer", "dsa"]])
def test_what_cannot_be_measured_is_a_usage_error(arguments: list[str]) -> None:
    """Nothing is started for it."""
    with pytest.raises(SystemExit, match="2"):
        run.options(arguments)


def test_what_is_written_says_where_and_what_was_measured() -> None:
    """A result can be understood years later: machine, date, versions, and every measurement."""
    written = json.loads(json.dumps(report.document(RESULTS, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))))
    assert written["date"] == "2026-01-02T03:04:05+00:00"
    assert written["machine"]["cores"]
    assert written["versions"]["grpcio"]
    assert [point["server"] for point in written["measurements"]] == [SERVICE, ECHO]
    assert written["points"][0]["rate"] == 2
    assert {figure["name"] for figure in written["figures"]} >= {"rate at 64 callers / echo rate"}


def test_failed_calls_are_shown() -> None:
    """Figures of a run with failures are not mistaken for good ones."""
    out = Console(width=120)
    with out.capture() as shown:
        report.show(RESULTS, out)
    assert "3 calls ended with UNAVAILABLE" in shown.get()
