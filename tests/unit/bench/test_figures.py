"""What the benchmark computes from what it measured."""

from collections.abc import Mapping

import pytest

from bench.figures import Figure, Floor, Measurement, Point, fastest, percentile
from bench.goals import figures
from support.bench_results import FLOOR, echo, measurement, point


def found(*measurements: Measurement, floors: Mapping[str, Floor] | None = None) -> dict[str, Figure]:
    """The figures of these measurements by their names."""
    by_point: dict[Point, Measurement] = {one.point: one for one in measurements}
    return {figure.name: figure for figure in figures(floors or {"p256": FLOOR}, by_point, 50)}


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


def test_a_measurement_gives_rate_cpu_rows_and_percentiles() -> None:
    """Rate is certificates by seconds, CPU is seconds a certificate, rows are certificates a commit."""
    measured = measurement()
    assert measured.rate == 500
    assert measured.cpu == pytest.approx(300e-6)
    assert measured.rows == 10
    assert measured.percentile(99) == 0.990


def test_where_nothing_is_committed_there_are_no_rows() -> None:
    """The echo has no store."""
    assert measurement(echo()).rows == 0


def test_the_fastest_of_each_point_counts() -> None:
    """Points are kept apart, and stay in their order."""
    slow, fast = measurement(seconds=4.0), measurement(seconds=1.0)
    others = [measurement(echo()), measurement(point(callers=1)), measurement(point(database="postgresql"))]
    assert list(fastest([slow, *others, fast]).values()) == [fast, *others]


def test_figures_are_ratios_to_the_baselines_of_the_run() -> None:
    """The service's CPU is held against echo and in-process issue together, its rate against the echo's."""
    named = found(measurement(), measurement(echo(), server_cpu=0.1, seconds=1.0))
    assert named["in-process issue / (CSR verify + sign + verify)"].value == pytest.approx(1.5)
    assert named["sqlite: server CPU at 64 callers / (echo + in-process issue)"].value == pytest.approx(300 / 250)
    assert named["sqlite: rate at 64 callers / echo rate"].value == pytest.approx(0.5)
    assert named["sqlite: p99 at 64 callers"].value == pytest.approx(990)
    assert named["memory of a server, at most"].value == pytest.approx(80)


def test_certificates_of_batches_are_held_against_calls_of_the_echo() -> None:
    """A batch costs the transport once: the rate may come near the echo's, CPU is held against issuing alone."""
    named = found(measurement(point(batch=50, callers=16)), measurement(echo(), seconds=1.0))
    assert named["sqlite: batches of 50: rate / echo rate"].value == pytest.approx(0.5)
    assert named["sqlite: batches of 50: server CPU / in-process issue"].value == pytest.approx(2.0)


def test_databases_have_figures_of_their_own() -> None:
    """What one of them reaches is not said of the other."""
    named = found(measurement(), measurement(point(database="postgresql"), seconds=4.0), measurement(echo()))
    assert named["sqlite: rate at 64 callers / echo rate"].value == pytest.approx(1.0)
    assert named["postgresql: rate at 64 callers / echo rate"].value == pytest.approx(0.5)


def test_a_figure_that_was_not_measured_is_left_out() -> None:
    """Without 64 callers there are no ratios at 64 callers."""
    assert set(found(measurement(point(callers=16)), measurement(echo(callers=16)))) == {
        "in-process issue / (CSR verify + sign + verify)",
        "sqlite: p99 at 16 callers",
        "memory of a server, at most",
    }


def test_an_rsa_issuer_is_held_against_signing_in_both_cores() -> None:
    """500 a second, where two threads that only sign would make 2000."""
    named = found(measurement(point(issuer="rsa-4096")), floors={"rsa-4096": Floor(raw=1e-3, issue=1.1e-3)})
    name = "sqlite: RSA-4096, rate at 64 callers / (2 x raw rate of a thread)"
    assert named[name].value == pytest.approx(0.25)


def test_another_issuer_has_figures_that_hold_for_all() -> None:
    """Nothing was set for its speed."""
    assert set(found(measurement(point(issuer="p384")), floors={"p384": FLOOR})) == {"memory of a server, at most"}


@pytest.mark.parametrize(
    "value, at_least, reached", [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)]
)
def test_a_bound_is_the_most_or_the_least(value: float, at_least: bool, reached: bool) -> None:
    """A figure that meets its bound exactly has reached it."""
    assert Figure("x", value, 2.0, at_least=at_least).reached is reached
