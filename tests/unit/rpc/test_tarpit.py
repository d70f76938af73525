"""Refusals that are held back: of whom, from when on, and for how long at most."""

import asyncio

import pytest

from linecert_service.rpc import tarpit
from linecert_service.rpc.tarpit import AT_ONCE, LONGEST_SECONDS, MOST_HELD, REFUSALS_A_SECOND, Tarpit
from support.claims import NOW
from support.doubles import FakeClock

PLENTY = 1_000.0


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock(NOW)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long answers were held back, in place of the waiting."""
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr(tarpit.asyncio, "sleep", sleep)
    return seconds


async def test_who_is_refused_now_and_then_waits_for_nothing(clock: FakeClock, held: list[float]) -> None:
    """As many together as a mistake brings, and any number at a rate that people and programs with a pause have."""
    pit = Tarpit(clock.monotonic)
    for _ in range(AT_ONCE):
        await pit.hold("station-01", PLENTY)
    for _ in range(AT_ONCE):
        clock.pass_by(1.01 / REFUSALS_A_SECOND)
        await pit.hold("station-01", PLENTY)
    assert not held


async def test_who_floods_waits_longer_each_time(clock: FakeClock, held: list[float]) -> None:
    """Up to a bound; others wait for nothing, and so does the flooder after a pause."""
    pit = Tarpit(clock.monotonic)
    for _ in range(10 * AT_ONCE):
        await pit.hold("flooder", PLENTY)
    assert held == sorted(held)
    assert held[0] == pytest.approx(1 / REFUSALS_A_SECOND)
    assert held[-1] == LONGEST_SECONDS
    held.clear()
    await pit.hold("station-01", PLENTY)
    clock.pass_by(LONGEST_SECONDS + AT_ONCE / REFUSALS_A_SECOND)
    await pit.hold("flooder", PLENTY)
    assert not held


async def test_an_answer_comes_before_its_deadline(clock: FakeClock, held: list[float]) -> None:
    """Half of what a call has left is for reading it."""
    pit = Tarpit(clock.monotonic)
    for _ in range(10 * AT_ONCE):
        await pit.hold("flooder", 0.5)
    assert max(held) == 0.25


async def test_no_more_are_held_than_there_is_memory_for(clock: FakeClock) -> None:
    """The rest is answered at once; whoever gives up frees the place."""
    pit = Tarpit(clock.monotonic)
    waiting = [asyncio.ensure_future(pit.hold("flooder", PLENTY)) for _ in range(AT_ONCE + MOST_HELD + 10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    held = [task for task in waiting if not task.done()]
    assert len(held) == MOST_HELD
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    again = asyncio.ensure_future(pit.hold("flooder", PLENTY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()
