"""Requests in store: made when they are first asked for, and sent once to each server."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from bench.devices import CHUNK, fresh_requests


class Supply:
    """Requests of devices, each new to every server that is sent it.

    Args:
        makers: processes that make requests.
    """

    def __init__(self, makers: ProcessPoolExecutor) -> None:
        self._makers: Final = makers
        self._made: list[bytes] = []
        self._used: Counter[int] = Counter()

    def take(self, pid: int, count: int) -> list[bytes]:
        """So many that the process `pid` has not been sent; they stay in store until `sent` says so."""
        start = self._used[pid]
        missing = start + count - len(self._made)
        if missing > 0:
            self._made += fresh_requests(max(missing, CHUNK), self._makers)
        return self._made[start : start + count]

    def sent(self, pid: int, count: int) -> None:
        """The first `count` of those taken last were sent to `pid`."""
        self._used[pid] += count
