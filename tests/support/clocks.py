"""A clock that tests set."""

import time


class SettableClock:
    """The machine's clock, moved.

    Attributes:
        passed: seconds that have passed in addition, on both clocks.
        stepped: seconds by which somebody has set the wall clock.
    """

    def __init__(self) -> None:
        self.passed = 0.0
        self.stepped = 0.0

    def time(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time() + self.passed + self.stepped

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic() + self.passed
