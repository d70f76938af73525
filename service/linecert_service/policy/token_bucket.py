"""A token bucket that several servers draw from, each by an account of its own. Times in monotonic seconds."""

from dataclasses import dataclass
from typing import Final, Self

_MINUTE: Final = 60.0
_WHOLE: Final = 1 - 1e-9
"""A token, less what sums of floats may lack: who waited as long as told is not refused again."""


@dataclass(slots=True)
class TokenBucket:
    """It holds a minute's tokens, and fills at an even pace.

    Attributes:
        per_minute: how many it holds, and how many come in a minute.
        tokens: as of `filled`. Below zero after others have taken more than there were: that is made good first.
        filled: up to when the tokens that have come are in it.
        spilled: what came since the last `charge` and found the bucket full.
    """

    per_minute: int
    tokens: float
    filled: float
    spilled: float = 0.0

    @classmethod
    def full(cls, per_minute: int, now: float) -> Self:
        """A bucket that nobody has taken from."""
        return cls(per_minute, per_minute, now)

    @property
    def wait(self) -> float:
        """Seconds until there is a token; 0.0: there is one."""
        return 0.0 if self.tokens >= _WHOLE else (1 - self.tokens) * _MINUTE / self.per_minute

    def fill(self, per_minute: int, now: float) -> None:
        """Add what has come until `now`; from then on it holds `per_minute`, which may be another number."""
        self.tokens += (now - self.filled) * self.per_minute / _MINUTE
        self.per_minute, self.filled = per_minute, now
        self._spill()

    def take(self) -> None:
        """Take a token that is there."""
        self.tokens -= 1

    def give_back(self) -> None:
        """Put a token back."""
        self.tokens += 1
        self._spill()

    def charge(self, number: int) -> None:
        """Take what others have taken since the last time that this was called, which may be long ago.

        It is spread over that time: what spilled here meanwhile was theirs.
        """
        self.tokens -= max(0.0, number - self.spilled)
        self.spilled = 0.0

    def _spill(self) -> None:
        if self.tokens > self.per_minute:
            self.spilled += self.tokens - self.per_minute
            self.tokens = self.per_minute
