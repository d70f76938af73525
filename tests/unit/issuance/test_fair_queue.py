"""The queue in which stations take turns."""

from collections import defaultdict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert_service.issuance.fair_queue import FairQueue

STATIONS = "abcd"


def queue_of(*items: tuple[str, int]) -> FairQueue[tuple[str, int]]:
    """A queue of items that say whose they are."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for item in items:
        queue.push(item[0], item)
    return queue


def test_one_station_alone_is_first_in_first_out() -> None:
    """Without others it is a plain queue."""
    assert queue_of(("a", 1), ("a", 2), ("a", 3)).take(10) == [("a", 1), ("a", 2), ("a", 3)]


def test_stations_take_turns() -> None:
    """Who has one request does not wait for the thousand that came before it."""
    queue = queue_of(*(("a", number) for number in range(1_000)), ("b", 0), ("c", 0))
    assert queue.take(4) == [("a", 0), ("b", 0), ("c", 0), ("a", 1)]
    assert len(queue) == 998


def test_station_that_comes_again_waits_for_its_turn() -> None:
    """One that asks again whenever it is served gets no more than the others."""
    queue = queue_of(("a", 0), ("a", 1), ("b", 0))
    assert queue.pop() == ("a", 0)
    assert queue.pop() == ("b", 0)
    queue.push("b", ("b", 1))
    assert queue.take(2) == [("a", 1), ("b", 1)]


def test_empty_queue_has_nothing_to_give() -> None:
    """To take from it is an error of the caller, and leaves it as it was."""
    queue = queue_of()
    assert queue.take(5) == []
    with pytest.raises(IndexError):
        queue.pop()
    assert len(queue) == 0


@given(st.lists(st.one_of(st.sampled_from(STATIONS), st.none()), max_size=200))
def test_order_within_a_station_and_turns_between_stations(moves: list[str | None]) -> None:
    """Nothing is lost, each station's order holds, and nobody waits for more than the others' turns.

    Between an item's coming and going, no other station is served more often than the item's own had items then.
    """
    queue = queue_of()
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    served: list[str] = []
    arrivals: dict[tuple[str, int], tuple[int, int]] = {}
    for number, station in enumerate([*moves, *(None for _ in moves)]):
        if station is not None:
            queue.push(station, (station, number))
            waiting[station].append(number)
            arrivals[station, number] = (len(served), len(waiting[station]))
        elif len(queue):
            whose, item = queue.pop()
            assert item == waiting[whose].popleft()
            since, place = arrivals[whose, item]
            assert all(served[since:].count(other) <= place for other in STATIONS if other != whose)
            served.append(whose)
        assert len(queue) == sum(map(len, waiting.values()))
    assert len(queue) == 0
