"""A queue in which stations take turns: who asks for much waits behind itself, not in front of the others."""

from collections import deque
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")


class FairQueue(Generic[_T]):
    """First in, first out for each station; round-robin over the stations that wait. Both ends are O(1).

    Every item counts the same, so that a turn is one item, and an item is at most as many turns away as its station
    has items before it. Belongs to one thread.
    """

    def __init__(self) -> None:
        self._items: Final[dict[str, deque[_T]]] = {}
        # Those that wait, in the order of their turns: each has a key in `_items`, and at least one item there.
        self._turns: Final[deque[str]] = deque()
        self._length = 0

    def __len__(self) -> int:
        """How many items wait."""
        return self._length

    def push(self, station: str, item: _T) -> None:
        """Add an item behind those of its station."""
        items = self._items.get(station)
        if items is None:
            self._items[station] = deque((item,))
            self._turns.append(station)
        else:
            items.append(item)
        self._length += 1

    def pop(self) -> _T:
        """Take the first item of the station whose turn it is.

        Raises:
            IndexError: there is none.
        """
        station = self._turns.popleft()
        items = self._items[station]
        item = items.popleft()
        if items:
            self._turns.append(station)
        else:
            del self._items[station]
        self._length -= 1
        return item

    def take(self, count: int) -> list[_T]:
        """Take as many items as there are, `count` at most."""
        return [self.pop() for _ in range(min(count, self._length))]
