"""Slots for requests."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.rpc.admission import Admission


def reason(admission: Admission, station: str) -> str:
    """The reason that a request of `station` is not admitted for."""
    with pytest.raises(Refused) as caught:
        admission.enter(station)
    assert caught.value.retry_after
    return contract.refusal(caught.value.reason).name


def fill(admission: Admission, station: str) -> int:
    """Enter as often as the station may; returns how often that was."""
    held = 0
    with contextlib.suppress(Refused):
        while True:
            admission.enter(station)
            held += 1
    return held


def test_what_does_not_fit_is_refused_until_a_slot_is_free() -> None:
    """The limit holds, and a slot that was given back is taken again."""
    admission = Admission(2)
    leave = admission.enter("station-01")
    admission.enter("station-01")
    assert admission.pending == 2
    assert reason(admission, "station-02") == "OVERLOADED"
    leave()
    admission.enter("station-02")


def test_no_station_holds_more_than_half_while_others_are_there() -> None:
    """A greedy station is stopped at half, and a modest one goes on."""
    admission = Admission(10)
    admission.enter("modest")
    for _ in range(5):
        admission.enter("greedy")
    assert reason(admission, "greedy") == "OVERLOADED"
    admission.enter("modest")


def test_a_station_alone_leaves_a_quarter_to_others() -> None:
    """However long it was alone, one that comes finds room at once, and enough of it."""
    admission = Admission(512)
    held = fill(admission, "flooder")
    assert 350 < held < 512 * 3 / 4
    for _ in range(64):
        admission.enter("modest")
    assert reason(admission, "flooder") == "OVERLOADED"


def test_station_over_half_is_brought_back_to_half_once_others_come() -> None:
    """What it gives back is not its own any more until it holds less than half."""
    admission = Admission(8)
    leaves = [admission.enter("flooder") for _ in range(6)]
    admission.enter("modest")
    for leave in leaves[:2]:
        leave()
        assert reason(admission, "flooder") == "OVERLOADED"
    leaves[2]()
    admission.enter("flooder")


@given(st.integers(16, 600), st.integers(1, 36))
def test_each_of_many_stations_gets_a_slot_whatever_the_others_hold(limit: int, stations: int) -> None:
    """As many as a sixteenth of the slots: one of those is reserved for each."""
    admission = Admission(limit)
    for number in range(min(stations, limit // 16)):
        assert fill(admission, f"flooder-{number}") > 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-40, 40)), max_size=60))
def test_in_any_order_of_coming_and_going_a_new_station_finds_room(moves: list[tuple[str, int]]) -> None:
    """No history of a few others leaves it without a slot; what is counted is what is held."""
    admission, leaves = Admission(64), list[tuple[str, Callable[[], None]]]()
    for station, change in moves:
        for _ in range(change):
            with contextlib.suppress(Refused):
                leaves.append((station, admission.enter(station)))
        for _ in range(min(-change, len(leaves))):
            leaves.pop(0)[1]()
        assert admission.pending == len(leaves)
        held = Counter(station for station, _ in leaves)
        assert all(count <= 48 for count in held.values())
    admission.enter("new")


async def test_who_waits_for_room_gets_it_when_others_leave() -> None:
    """A station over its share waits until what is free is enough for it."""
    admission = Admission(8)
    leaves = [admission.enter("flooder") for _ in range(6)]
    waiting = asyncio.ensure_future(admission.room("flooder", asyncio.get_running_loop().time() + 30))
    await asyncio.sleep(0)
    assert not waiting.done()
    leaves[0]()
    assert await waiting
    admission.enter("flooder")


def test_closed_admission_sends_callers_elsewhere() -> None:
    """While the server drains, nothing more is taken on."""
    admission = Admission(10)
    admission.close()
    assert reason(admission, "station-01") == "SHUTTING_DOWN"
