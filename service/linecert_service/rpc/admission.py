"""How many requests are on their way at once: what does not fit is refused at once, and may come again."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused

RETRY_AFTER_SECONDS: Final = 0.5

SHARE: Final = 3
"""How many slots a station may hold for each that is free (the dynamic thresholds of Choudhury and Hahne, 1998)."""

RESERVED_PART: Final = 16


class Admission:
    """Slots for requests, shared so that a station which comes new finds one.

    One in RESERVED_PART is for stations that hold none. Of the others a station may hold SHARE times as many as are
    free: alone it gets three quarters, and of n that want all they can get, each gets 3 in 3n + 1, which leaves 1 free.
    A station that holds half of the slots gets no other one while others hold any.

    Args:
        limit: how many slots there are.

    Attributes:
        limit: the same.
        pending: how many of them are taken.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()
        self.pending = 0
        self._open = True
        self._waiting: list[asyncio.Future[None]] = []

    def close(self) -> None:
        """Admit nothing more."""
        self._open = False
        self._wake()

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
        if not self._has_room(station):
            raise Refused(
                reasons.ERROR_REASON_OVERLOADED,
                "the server has as many requests as it takes at once: send again with the same request_id",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self.pending += 1
        self._held[station] += 1
        return lambda: self._leave(station)

    async def room(self, station: str, end: float) -> bool:
        """Wait until the station may take a slot, until `end` on the loop's clock; returns whether it may.

        When nothing is admitted any more, it returns at once, and `enter` says why.
        """
        while self._open and not self._has_room(station):
            left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(left)
            try:
                async with asyncio.timeout_at(end):
                    await left
            except TimeoutError:
                return False
        return True

    def _has_room(self, station: str) -> bool:
        held, free = self._held[station], self.limit - self.pending
        if not held:
            return free > 0
        greedy = held >= self.limit // 2 and self.pending > held
        return held < SHARE * (free - self.limit // RESERVED_PART) and not greedy

    def _leave(self, station: str) -> None:
        self.pending -= 1
        self._held[station] -= 1
        if not self._held[station]:
            del self._held[station]
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for left in waiting:
            if not left.done():
                left.set_result(None)
