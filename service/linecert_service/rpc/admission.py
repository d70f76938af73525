"""How many requests are on their way at once: what does not fit is refused at once, and may come again."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused

RETRY_AFTER_SECONDS: Final = 0.5


class Admission:
    """Slots for requests. No station holds more than half of them while others hold any.

    Args:
        limit: how many slots there are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()
        self.pending = 0
        self._open = True

    def close(self) -> None:
        """Admit nothing more."""
        self._open = False

    def enter(self, station: str) -> Callable[[], None]:
        """Take a slot; calling what is returned gives it back.

        Raises:
            Refused: OVERLOADED or SHUTTING_DOWN.
        """
        if not self._open:
            raise Refused(
                reasons.ERROR_REASON_SHUTTING_DOWN,
                "this server is shutting down: send again with the same request_id",
                retry_after=RETRY_AFTER_SECONDS,
            )
        held = self._held[station]
        greedy = held >= self._limit // 2 and self.pending > held
        if self.pending >= self._limit or greedy:
            raise Refused(
                reasons.ERROR_REASON_OVERLOADED,
                "the server has as many requests as it takes at once: send again with the same request_id",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self.pending += 1
        self._held[station] = held + 1
        return lambda: self._leave(station)

    def _leave(self, station: str) -> None:
        self.pending -= 1
        self._held[station] -= 1
        if not self._held[station]:
            del self._held[station]
