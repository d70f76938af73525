"""When the clock is not trusted."""

import pytest

from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.errors import Refused
from support.claims import NOW
from support.doubles import FakeClock


def test_clock_that_goes_on_is_trusted() -> None:
    """Days later, with the drift of an NTP correction."""
    clock = FakeClock(NOW)
    guard = ClockGuard(clock)
    clock.pass_by(100_000)
    clock.now += 500
    assert guard.now() == NOW + 100_500


@pytest.mark.parametrize("step", [601, -601])
def test_clock_that_jumps_is_not_trusted(step: int) -> None:
    """More than ten minutes against the monotonic clock, forward or back."""
    clock = FakeClock(NOW)
    guard = ClockGuard(clock)
    clock.now += step
    with pytest.raises(Refused, match="was set by"):
        guard.now()


def test_clock_behind_the_log_is_not_trusted() -> None:
    """The log's last time lies more than 5 seconds ahead."""
    clock = FakeClock(NOW)
    guard = ClockGuard(clock)
    guard.saw(NOW + 5.5)
    with pytest.raises(Refused, match="behind the last entry"):
        guard.now()
    clock.pass_by(1)
    assert guard.now() == NOW + 1
