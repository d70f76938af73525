"""What the benchmark computes from what it measured."""

from dataclasses import replace
from typing import Any

import pytest

from bench.figures import ECHO, SERVICE, Figure, Floor, Measurement, fastest, figures, percentile

FLOOR = Floor(raw=100e-6, issue=150e-6)


def measurement(server: str = SERVICE, callers: int = 64, **changes: Any) -> Measurement:
    """Two seconds with a thousand calls of 1 to 1000 ms, at 300 us of CPU each."""
    good = Measurement(
        server=server,
        callers=callers,
        seconds=2.0,
        latencies=[number / 1000 for number in range(1, 1001)],
        server_cpu=0.3,
        generator_cpu=1.0,
        failures={},
        resident=80_000_000,
        response=b"",
    )
    return replace(good, **changes)


def by_name(found: list[Figure]) -> dict[str, Figure]:
    """Figures by their names."""
    return {figure.name: figure for figure in found}


@pytest.mark.parametrize(
    "percent, value",
    [(0, 1), (10, 1), (10.1, 2), (50, 5), (99, 10), (100, 10)],
)
def test_a_percentile_is_the_nearest_rank(percent: float, value: int) -> None:
    """It is a value that was measured: the smallest which that share of the values does not exceed."""
    assert percentile(range(1, 11), percent) == value


def test_a_single_value_is_every_percentile() -> None:
    """A window with one call has a median and a p99.9."""
    assert percentile([7.0], 50) == percentile([7.0], 99.9) == 7.0


def test_nothing_has_no_percentile() -> None:
    """A window without an answer is an error, not a latency of zero."""
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 99)


def test_a_measurement_gives_rate_cpu_and_percentiles() -> None:
    """Rate is calls by seconds, CPU is seconds a call."""
    measured = measurement()
    assert measured.rate == 500
    assert measured.cpu == pytest.approx(300e-6)
    assert measured.percentile(99) == 0.990


def test_the_fastest_of_each_point_counts() -> None:
    """Servers and numbers of callers are kept apart, and stay in their order."""
    slow, fast = measurement(seconds=4.0), measurement(seconds=1.0)
    echo, alone = measurement(ECHO), measurement(callers=1)
    assert fastest([slow, echo, fast, alone]) == [fast, echo, alone]


def test_figures_are_ratios_to_the_baselines_of_the_run() -> None:
    """The service's CPU is held against echo and in-process issue together, its rate against the echo's."""
    echo = measurement(ECHO, server_cpu=0.1, seconds=1.0)
    found = by_name(figures("p256", FLOOR, [measurement(), echo]))
    assert found["in-process issue / (CSR verify + sign + verify)"].value == pytest.approx(1.5)
    assert found["server CPU at 64 callers / (echo + in-process issue)"].value == pytest.approx(300 / 250)
    assert found["rate at 64 callers / echo rate"].value == pytest.approx(0.5)
    assert found["p99 at 64 callers"].value == pytest.approx(990)
    assert found["memory of the server"].value == pytest.approx(80)


def test_a_figure_that_was_not_measured_is_left_out() -> None:
    """Without 64 callers there are no ratios at 64 callers."""
    names = by_name(figures("p256", FLOOR, [measurement(callers=16), measurement(ECHO, callers=16)]))
    assert set(names) == {
        "in-process issue / (CSR verify + sign + verify)",
        "p99 at 16 callers",
        "memory of the server",
    }


def test_an_rsa_issuer_is_held_against_signing_in_both_cores() -> None:
    """500 a second, where two threads that only sign would make 2000."""
    found = by_name(figures("rsa-4096", Floor(raw=1e-3, issue=1.1e-3), [measurement(), measurement(ECHO)]))
    assert found["rate at 64 callers / (2 x raw rate of a thread)"].value == pytest.approx(0.25)


def test_another_issuer_has_figures_that_hold_for_all() -> None:
    """Nothing was set for its speed."""
    assert set(by_name(figures("p384", FLOOR, [measurement()]))) == {"memory of the server"}


@pytest.mark.parametrize(
    "value, at_least, reached", [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)]
)
def test_a_bound_is_the_most_or_the_least(value: float, at_least: bool, reached: bool) -> None:
    """A figure that meets its bound exactly has reached it."""
    assert Figure("x", value, 2.0, at_least=at_least).reached is reached
