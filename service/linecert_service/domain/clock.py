"""The time, injected: nothing below the command lines reads a clock of its own."""

import time
from typing import Protocol


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
