"""How many certificates stations got, as the log has it."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

SECONDS_OF_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class IssuedCounts:
    """What a stretch of the log holds.

    Attributes:
        end: the log index at which the stretch ends; the next one begins there.
        certificates: how many, by the station's name and the day of issue (days since 1970, UTC).
    """

    end: int = 0
    certificates: Mapping[tuple[str, int], int] = field(default_factory=dict)


class IssuedCounter(Protocol):
    """Counts in the log."""

    def after(self, start: int) -> Awaitable[IssuedCounts]:
        """What stands at the log index `start` and later, whichever server issued it.

        It may end before the log does: then the next call goes on there.

        Raises:
            StoreUnavailable: the store does not answer.
        """
