"""What a call has under way: it is waited for without being awaited."""

import asyncio
from typing import Any


class UnderWay:
    """Answers that a call waits for.

    A call that is cancelled, or whose time is up, must not cancel what was taken on: futures are watched from outside.
    Belongs to the event loop.
    """

    def __init__(self) -> None:
        self._count = 0
        self._enough = 0
        self._waiter: asyncio.Future[None] | None = None

    def add(self, answer: "asyncio.Future[Any]") -> None:
        """Wait for `answer` too."""
        self._count += 1
        answer.add_done_callback(self._one_less)

    async def at_most(self, count: int, end: float) -> bool:
        """Wait until no more than `count` are open, until `end` on the loop's clock; returns whether that is so."""
        if self._count <= count:
            return True
        loop = asyncio.get_running_loop()
        if end <= loop.time():
            return False
        self._enough = count
        self._waiter = loop.create_future()
        timer = loop.call_at(end, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
        return self._count <= count

    def _one_less(self, _answer: "asyncio.Future[Any]") -> None:
        self._count -= 1
        if self._count <= self._enough:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
