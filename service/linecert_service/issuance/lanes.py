"""Work that is done a few items at a time, by turns of the stations that it is for.

Threads take what they are given in the order in which it came: who floods them is served before all who come later.
Lanes stand before threads and hand over no more than these can work on; what waits for a lane is in a fair queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from linecert_service.issuance.fair_queue import FairQueue

_T = TypeVar("_T")


class Lanes(Generic[_T]):
    """Works on items in the background of the event loop that it belongs to.

    Args:
        work: works on some items, and answers for whatever goes wrong with them: it does not raise.
        lanes: how many calls of `work` are under way at once.
        together: how many items one call gets at most.
    """

    def __init__(self, work: Callable[[Sequence[_T]], Awaitable[None]], *, lanes: int, together: int = 1) -> None:
        self._work = work
        self._free = lanes
        self._together = together
        self._waiting: FairQueue[_T] = FairQueue()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, station: str, item: _T) -> None:
        """Have an item of this station worked on when it is its turn. Returns at once."""
        self._waiting.push(station, item)
        if self._free:
            self._free -= 1
            task = asyncio.ensure_future(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._work(self._waiting.take(self._together))
        finally:
            # At the very moment at which it stops looking: an item that comes now finds the lane free.
            self._free += 1
