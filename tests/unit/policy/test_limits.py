"""How many certificates a station gets."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.domain.issued_counts import SECONDS_OF_DAY, IssuedCounts
from linecert_service.policy.limits import Limits
from linecert_service.policy.stations import Station
from support.claims import NOW, claim, record
from support.doubles import FakeClock
from support.issuing import caller

TODAY = NOW // SECONDS_OF_DAY
FIRST = 1_000
"""How long the log is when the server starts."""


def station(**limits: Any) -> Station:
    """A station with limits."""
    return caller(**limits).station


class Books:
    """The limits of one server, with a clock and stations that a test sets."""

    def __init__(self, **issued_today: int) -> None:
        self.clock = FakeClock(NOW)
        self.stations: dict[str, Station] = {}
        numbers = {(name.replace("_", "-"), TODAY): number for name, number in issued_today.items()}
        self.limits = Limits(self.clock, self.stations.get, IssuedCounts(FIRST, numbers))
        self._index = FIRST

    def issue(self, of: Station, count: int = 1) -> None:
        """Take tokens, and record what they brought."""
        for _ in range(count):
            self.record(of, self.limits.take(of))

    def record(self, of: Station, day: int) -> None:
        """Record what a token brought, at the clock's time."""
        row = record(claim(station=of.name), log_index=self._index, issued_at=int(self.clock.now * 1_000_000))
        self.limits.recorded(row, day)
        self._index += 1

    def others_issue(self, of: Station, count: int, day: int = TODAY) -> None:
        """Have the log read: beside what this server recorded, others have issued."""
        self.stations[of.name] = of
        own = self._index - self.limits.read_to
        self._index += count
        self.limits.charge(IssuedCounts(self._index, {(of.name, day): own + count}))


def wait(limits: Limits, of: Station) -> float:
    """Seconds that the next request is told to wait."""
    with pytest.raises(Refused) as caught:
        limits.take(of)
    assert contract.refusal(caught.value.reason).name == "STATION_LIMIT_REACHED"
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_station_without_limits_has_none() -> None:
    """It gets as many as it asks for."""
    Books().issue(station(), 1_000)


def test_minute_lets_a_burst_through_and_then_its_rate() -> None:
    """Sixty at once, then one a second; the refusal says when the next one comes."""
    books, of = Books(), station(per_minute=60)
    books.issue(of, 60)
    assert wait(books.limits, of) == pytest.approx(1)
    books.clock.pass_by(2)
    books.issue(of, 2)
    assert wait(books.limits, of) == pytest.approx(1)


def test_bucket_holds_no_more_than_a_minute() -> None:
    """An idle night saves nothing up."""
    books, of = Books(), station(per_minute=2)
    books.issue(of)
    books.clock.pass_by(10_000)
    books.issue(of, 2)
    assert wait(books.limits, of) > 0


@given(st.integers(1, 200), st.floats(0, 100), st.integers(1, 50))
def test_who_waits_as_long_as_told_is_served(per_minute: int, pause: float, extra: int) -> None:
    """The time of a refusal is enough, and hardly less would be."""
    books, of = Books(), station(per_minute=per_minute)
    books.issue(of, per_minute)
    books.clock.pass_by(pause)
    with contextlib.suppress(Refused):
        books.issue(of, extra)
    books.others_issue(of, 0)
    for _ in range(3):
        books.others_issue(of, per_minute + extra)
        seconds = wait(books.limits, of)
        books.clock.pass_by(seconds * 0.99)
        books.clock.pass_by(wait(books.limits, of))
        books.issue(of)


def test_day_ends_at_midnight_utc() -> None:
    """The refusal says how long that is, and after it the count begins anew."""
    books, of = Books(), station(per_day=2)
    books.issue(of, 2)
    seconds = wait(books.limits, of)
    assert seconds == SECONDS_OF_DAY - NOW % SECONDS_OF_DAY
    books.clock.pass_by(seconds)
    books.issue(of, 2)
    assert wait(books.limits, of) == SECONDS_OF_DAY


def test_day_counts_what_was_issued_before_a_restart() -> None:
    """The log knows what the station had today."""
    books, of = Books(station_01=5), station(per_day=6)
    books.issue(of)
    assert wait(books.limits, of) > 0


def test_token_that_was_given_back_can_be_taken_again() -> None:
    """A repetition costs nothing, by minute and by day."""
    books, of = Books(), station(per_minute=1, per_day=1)
    for _ in range(10):
        books.limits.give_back(of.name, books.limits.take(of))
    books.issue(of)
    assert wait(books.limits, of) > 0


def test_stations_are_counted_apart() -> None:
    """One station's limit is not another's."""
    books = Books()
    books.issue(station(per_minute=1))
    books.issue(station(name="station-02", per_minute=1))


def test_token_of_yesterday_is_not_given_back_today() -> None:
    """A request that began before midnight and ends after it leaves the new day's count alone."""
    books, of = Books(), station(per_day=2)
    yesterday = books.limits.take(of)
    books.clock.pass_by(SECONDS_OF_DAY)
    books.issue(of, 2)
    books.limits.give_back(of.name, yesterday)
    assert wait(books.limits, of) > 0


def test_certificate_counts_for_the_day_that_the_log_says() -> None:
    """What was begun before midnight and recorded after it is one of the new day's, here as on every other server."""
    books, of = Books(), station(per_day=2)
    yesterday = books.limits.take(of)
    books.clock.pass_by(SECONDS_OF_DAY)
    books.record(of, yesterday)
    books.issue(of)
    assert wait(books.limits, of) > 0


def test_limit_that_a_reload_lowers_acts_from_the_next_call_on() -> None:
    """By minute and by day, with what was issued under the old one."""
    books = Books()
    books.issue(station(per_minute=100, per_day=100), 5)
    assert wait(books.limits, station(per_minute=100, per_day=5)) > 60
    books.issue(station(per_minute=2, per_day=100), 2)
    assert wait(books.limits, station(per_minute=2, per_day=100)) == pytest.approx(30)


def test_limit_that_a_reload_brings_knows_what_was_issued_before() -> None:
    """Of a day in which the station had none: at the start, by this server, and by others."""
    books = Books(station_01=3)
    books.issue(station(), 3)
    books.others_issue(station(), 3)
    limited = station(per_day=10, per_minute=60)
    books.issue(limited)
    assert wait(books.limits, limited) > 60


def test_limit_that_a_reload_raises_lets_more_through() -> None:
    """For the day at once, for the minute at the new pace."""
    books = Books()
    books.issue(station(per_day=2, per_minute=2), 2)
    raised = station(per_day=3, per_minute=60)
    assert wait(books.limits, raised) == pytest.approx(1)
    books.clock.pass_by(1)
    books.issue(raised)
    assert wait(books.limits, raised) > 60


def test_what_others_issue_is_charged_and_what_is_its_own_is_not() -> None:
    """Neither twice nor never."""
    books, of = Books(), station(per_minute=10, per_day=20)
    books.issue(of, 4)
    books.others_issue(of, 3)
    books.issue(of, 3)
    assert wait(books.limits, of) == pytest.approx(6)


def test_what_others_overdrew_is_made_good() -> None:
    """Two servers that gave a full bucket each give nothing for a minute: the rate holds over both."""
    books, of = Books(), station(per_minute=10)
    books.issue(of, 10)
    books.others_issue(of, 10)
    assert wait(books.limits, of) == pytest.approx(66)


def test_what_others_issued_over_a_long_outage_is_no_debt() -> None:
    """A server that could not read the log for an hour spreads what it finds over that hour."""
    books, of = Books(), station(per_minute=10)
    books.others_issue(of, 1)
    books.clock.pass_by(3_600)
    books.others_issue(of, 600)
    books.issue(of, 9)


def test_stations_that_went_are_forgotten_with_their_bucket() -> None:
    """A name in the log that is no station's any more is no error."""
    books = Books()
    books.limits.charge(IssuedCounts(FIRST + 5, {("gone", TODAY): 5}))
    assert books.limits.read_to == FIRST + 5
