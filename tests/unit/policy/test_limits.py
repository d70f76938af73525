"""How many certificates a station gets."""

from typing import Any

import pytest

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.policy.limits import DAY, Limits
from linecert_service.policy.stations import Station
from support.claims import NOW
from support.doubles import FakeClock
from support.issuing import caller


def station(**limits: Any) -> Station:
    """A station with limits."""
    return caller(**limits).station


def wait(limits: Limits, of: Station) -> float:
    """Seconds that the next request is told to wait."""
    with pytest.raises(Refused) as caught:
        limits.take(of)
    assert contract.refusal(caught.value.reason).name == "STATION_LIMIT_REACHED"
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_station_without_limits_has_none() -> None:
    """Nothing is counted."""
    limits = Limits(FakeClock(NOW), {})
    for _ in range(1000):
        limits.take(station())


def test_minute_lets_a_burst_through_and_then_its_rate() -> None:
    """Sixty at once, then one a second; the refusal says when the next one comes."""
    clock = FakeClock(NOW)
    limits, of = Limits(clock, {}), station(per_minute=60)
    for _ in range(60):
        limits.take(of)
    assert wait(limits, of) == pytest.approx(1)
    clock.pass_by(2)
    limits.take(of)
    limits.take(of)
    assert wait(limits, of) == pytest.approx(1)


def test_bucket_holds_no_more_than_a_minute() -> None:
    """An idle night saves nothing up."""
    clock = FakeClock(NOW)
    limits, of = Limits(clock, {}), station(per_minute=2)
    limits.take(of)
    clock.pass_by(10_000)
    limits.take(of)
    limits.take(of)
    assert wait(limits, of) > 0


def test_day_ends_at_midnight_utc() -> None:
    """The refusal says how long that is, and after it the count begins anew."""
    clock = FakeClock(NOW)
    limits, of = Limits(clock, {}), station(per_day=2)
    limits.take(of)
    limits.take(of)
    seconds = wait(limits, of)
    assert seconds == DAY - NOW % DAY
    clock.pass_by(seconds)
    limits.take(of)


def test_day_counts_what_was_issued_before_a_restart() -> None:
    """The log knows what the station had today."""
    limits, of = Limits(FakeClock(NOW), {"station-01": 5}), station(per_day=6)
    limits.take(of)
    assert wait(limits, of) > 0


def test_token_that_was_given_back_can_be_taken_again() -> None:
    """A repetition costs nothing, by minute and by day."""
    limits, of = Limits(FakeClock(NOW), {}), station(per_minute=1, per_day=1)
    for _ in range(10):
        limits.give_back(of, limits.take(of))
    limits.take(of)
    assert wait(limits, of) > 0


def test_stations_are_counted_apart() -> None:
    """One station's limit is not another's."""
    limits = Limits(FakeClock(NOW), {})
    limits.take(station(per_minute=1))
    limits.take(station(name="station-02", per_minute=1))


def test_token_of_yesterday_is_not_given_back_today() -> None:
    """A request that began before midnight and ends after it leaves the new day's count alone."""
    clock = FakeClock(NOW)
    limits, of = Limits(clock, {}), station(per_day=2)
    yesterday = limits.take(of)
    clock.pass_by(DAY)
    limits.take(of)
    limits.take(of)
    limits.give_back(of, yesterday)
    assert wait(limits, of) > 0
