"""The time, injected: nothing below the command lines reads a clock of its own."""

import time
from typing import Final, Protocol

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused

MAX_STEP: Final = 600.0
"""Seconds by which the wall clock may have moved against the monotonic one."""

MAX_LEAD: Final = 5.0
"""Seconds by which the log's last time may lie ahead."""


class Clock(Protocol):
    """What the service needs of time, in seconds."""

    def time(self) -> float:
        """Seconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class SystemClock:
    """The clock of the machine."""

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class ClockGuard:
    """The wall clock as far as it may be trusted: one jump forward would otherwise stand in the log for ever.

    It compares the wall clock with the monotonic one, and with the log. Any thread may use it.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.time() - clock.monotonic()
        self._log_time = 0.0

    def saw(self, log_time: float) -> None:
        """Take note of the time of the log's last leaf, in seconds since 1970."""
        self._log_time = log_time

    def now(self) -> float:
        """The time, in seconds since 1970, UTC.

        Raises:
            Refused: CLOCK_UNTRUSTED.
        """
        now = self._clock.time()
        step = now - self._clock.monotonic() - self._offset
        if abs(step) > MAX_STEP:
            problem = f"the server's clock was set by {step:+.0f} s while it ran: set it right and restart the service"
        elif self._log_time > now + MAX_LEAD:
            problem = "the server's clock is behind the last entry of the log: set it right"
        else:
            return now
        raise Refused(reasons.ERROR_REASON_CLOCK_UNTRUSTED, problem, retry_after=60)
