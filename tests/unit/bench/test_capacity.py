"""The capacity model: its formulas, what calibrates them, and the simulation that checks them."""

from dataclasses import replace

import pytest

from bench.capacity import Costs, batched, calibrate, plan
from bench.figures import SERVICE, Commits, Floor, Measurement, Point
from bench.goals import BATCHERS
from bench.simulation import Outcome, Scenario, simulate
from linecert_service.issuance.pipeline import MAX_BURST

COSTS = Costs(
    burst=300e-6,
    certificate=300e-6,
    signature=0.0,
    commit=400e-6,
    row=100e-6,
    database=50e-6,
    caller=50e-6,
    wire=100e-6,
)
FLOORS = {"p256": Floor(raw=150e-6, issue=200e-6), "rsa-4096": Floor(raw=1.3e-3, issue=1.4e-3)}
TOLERANCE = 0.05
"""Of what is computed: bursts are not all full, and times vary."""


def measured(callers: int, rows: int, costs: Costs, rate: float, issuer: str = "p256") -> Measurement:
    """What one second with these costs looks like from outside, with so many certificates in a burst and a commit."""
    certificates = int(rate)
    bursts = certificates / rows
    server = bursts * costs.burst + certificates * (costs.certificate + costs.signature)
    return Measurement(
        point=Point(SERVICE, issuer, "postgresql", 1, callers),
        seconds=1.0,
        certificates=certificates,
        latencies=[0.01] * certificates,
        server_cpu=server,
        database_cpu=certificates * costs.database,
        generator_cpu=certificates * costs.caller,
        failures={},
        resident=80_000_000,
        sent=certificates,
        commits=Commits(int(bursts), bursts * costs.commit + certificates * costs.row),
        response=b"",
    )


def by_point(*measurements: Measurement) -> dict[Point, Measurement]:
    """Measurements by their points."""
    return {one.point: one for one in measurements}


@pytest.mark.parametrize(
    "issuer, costs", [("p256", COSTS), ("rsa-4096", replace(COSTS, signature=1.3e-3, burst=0.0))], ids=["p256", "rsa"]
)
def test_calibration_finds_the_costs_that_measurements_came_from(issuer: str, costs: Costs) -> None:
    """Two sizes of burst are two equations for the part of a burst and the part of a certificate.

    Where threads sign, commits do not tell the size of bursts, and everything counts as the certificate's.
    """
    light = measured(1, 1, costs, rate=1 / costs.round_trip(), issuer=issuer)
    heavy = measured(64, 32, costs, rate=1_600, issuer=issuer)
    found = calibrate(by_point(light, heavy), FLOORS, issuer, "postgresql")
    assert found
    for name in Costs.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(costs, name), rel=0.01, abs=5e-6), name


def test_what_one_caller_cannot_have_waited_for_was_counted_twice() -> None:
    """The committer's CPU is in the server's and in the commit's time: it is taken out of the way of a call once."""
    costs = replace(COSTS, shared=200e-6, wire=0.0)
    light = measured(1, 1, costs, rate=1 / costs.round_trip())
    heavy = measured(64, 32, costs, rate=1_600)
    found = calibrate(by_point(light, heavy), FLOORS, "p256", "postgresql")
    assert found
    assert found.shared == pytest.approx(costs.shared, rel=0.05)
    assert found.server_rate() == pytest.approx(costs.server_rate(), rel=0.01)


def test_noise_makes_no_cost_negative() -> None:
    """Where one caller looks cheaper than many, a burst costs nothing of its own, and nothing is below zero."""
    light = measured(1, 1, replace(COSTS, certificate=100e-6, row=10e-6), rate=5_000)
    heavy = measured(64, 32, COSTS, rate=1_600)
    found = calibrate(by_point(light, heavy), FLOORS, "p256", "postgresql")
    assert found
    assert min(getattr(found, name) for name in Costs.__slots__) >= 0


def test_one_size_of_burst_calibrates_nothing() -> None:
    """Without one caller, or without many, there is no model, rather than a wrong one."""
    assert calibrate(by_point(measured(64, 32, COSTS, 1_600)), FLOORS, "p256", "postgresql") is None
    assert batched(COSTS, {}, "p256", "postgresql", 50) is None


def test_the_lock_costs_what_it_costs_with_the_fastest_issuer() -> None:
    """An issuer whose signatures come one by one has commits of a few rows, which do not show what many cost."""
    slow = replace(COSTS, signature=1.3e-3, commit=900e-6, row=900e-6)
    points = by_point(
        measured(1, 1, COSTS, rate=1 / COSTS.round_trip()),
        measured(64, 32, COSTS, rate=1_600),
        measured(1, 1, slow, rate=1 / slow.round_trip(), issuer="rsa-4096"),
        measured(64, 2, slow, rate=700, issuer="rsa-4096"),
    )
    found = calibrate(points, FLOORS, "rsa-4096", "postgresql")
    assert found
    assert (found.commit, found.row) == pytest.approx((COSTS.commit, COSTS.row), rel=0.01)
    whole = replace(measured(BATCHERS, 2, slow, rate=700, issuer="rsa-4096"), latencies=[2.0] * 14)
    pooled = batched(
        found, by_point(replace(whole, point=replace(whole.point, batch=50))), "rsa-4096", "postgresql", 50
    )
    assert pooled
    assert (pooled.commit, pooled.row) == (found.commit, found.row)


def test_batches_take_their_own_costs() -> None:
    """CPU and lock of a batch's certificate are measured, not taken from single calls."""
    cheap = replace(COSTS, burst=0.0, certificate=150e-6, commit=0.0, row=80e-6)
    one = measured(BATCHERS, 50, cheap, rate=4_000)
    whole = replace(one, point=replace(one.point, batch=50), latencies=[0.2] * 80)
    found = batched(COSTS, by_point(whole), "p256", "postgresql", 50)
    assert found
    assert (found.certificate, found.row, found.commit) == pytest.approx((150e-6, 80e-6, 0.0))
    # A call has 50 certificates.
    assert found.caller == pytest.approx(50 * COSTS.caller)


def test_a_rate_takes_what_its_largest_demands_need() -> None:
    """305 us of interpreter and 106 us of lock a certificate, in use for 70 %; 1,400 octets."""
    found = plan(COSTS, octets=1_400, rate=10_000)
    assert found.servers == 5  # 10,000 x 304.7 us / 0.7 = 4.4
    assert found.databases == 2  # 10,000 x 106.25 us / 0.7 = 1.5
    assert found.server_cores == pytest.approx(3.047, rel=1e-3)
    assert found.database_cores == pytest.approx(0.5)
    assert found.octets == pytest.approx(1.2096e12)


def test_no_database_takes_a_hundred_thousand_a_second() -> None:
    """More servers do not help: the lock is one."""
    assert plan(COSTS, 1_400, 100_000).databases == 16
    assert COSTS.store_rate() < 10_000


# The simulation against the formulas.


def computed(scenario: Scenario) -> float:
    """What no rate of single calls exceeds."""
    return scenario.costs.bound(scenario.servers, scenario.callers, scenario.cores)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(Scenario(COSTS, callers=1), id="one caller waits for every step"),
        pytest.param(
            Scenario(replace(COSTS, shared=200e-6), callers=1), id="one caller with a committer that computes"
        ),
        pytest.param(Scenario(COSTS, callers=256), id="the interpreter is busy"),
        pytest.param(Scenario(replace(COSTS, shared=200e-6), callers=256), id="it is, with the committer in it"),
        pytest.param(Scenario(COSTS, servers=2, callers=256), id="two servers are twice one"),
        pytest.param(Scenario(replace(COSTS, row=200e-6), servers=8, callers=512), id="the lock is busy"),
        pytest.param(
            Scenario(replace(COSTS, signature=1.3e-3, certificate=100e-6), callers=256, cores=2),
            id="all cores are busy",
        ),
    ],
)
def test_the_simulation_reaches_the_bound_where_one_thing_is_scarce(scenario: Scenario) -> None:
    """Formulas and queues agree: what is computed for the scarce thing is what comes out."""
    assert simulate(scenario).rate == pytest.approx(computed(scenario), rel=TOLERANCE)


@pytest.mark.parametrize("callers", [1, 4, 16, 64, 256])
def test_no_simulated_rate_exceeds_its_bound(callers: int) -> None:
    """Waiting only takes from it."""
    scenario = Scenario(COSTS, callers=callers, cores=2)
    assert simulate(scenario).rate <= computed(scenario) * (1 + TOLERANCE)


def test_more_servers_than_the_lock_can_feed_add_nothing() -> None:
    """They make the commits larger instead."""
    slow = replace(COSTS, commit=5e-3, row=500e-6)
    few = simulate(Scenario(slow, servers=2, callers=512))
    many = simulate(Scenario(slow, servers=8, callers=2048))
    assert many.rate < few.rate * 1.2
    assert many.rows > few.rows


def test_commits_group_what_came_while_the_lock_was_held() -> None:
    """One caller has a commit for each row, many share one, and none has more than a burst where the store is fast."""
    assert simulate(Scenario(COSTS, callers=1)).rows == 1
    assert 8 < simulate(Scenario(COSTS, callers=64)).rows <= MAX_BURST


def test_batches_are_answered_when_all_of_them_are_recorded() -> None:
    """Eight callers with 50 certificates each keep the interpreter as busy as many with one."""
    found = simulate(Scenario(COSTS, callers=8, batch=50))
    assert found.rate == pytest.approx(COSTS.server_rate(), rel=TOLERANCE)


def test_a_simulation_can_be_repeated() -> None:
    """The same scenario has the same outcome, to the last digit."""
    outcome = simulate(Scenario(COSTS))
    assert isinstance(outcome, Outcome)
    assert simulate(Scenario(COSTS)) == outcome
