"""The way to a signer that may be asked so often only: never more than the limit, in order, no hurry in trouble."""

import asyncio
import time
from collections import deque

import pytest

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.signers.gate import WINDOW_SECONDS, Gate

FAR = 60.0


class FakeTime:
    """Monotonic seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def soon(seconds: float = FAR) -> float:
    """A deadline."""
    return time.monotonic() + seconds


@pytest.mark.parametrize("limit", [10, 250, 3_000])
async def test_no_window_has_more_than_the_limit(limit: int) -> None:
    """However the bucket was filled before, and however eagerly it is used."""
    clock = FakeTime()
    gate = Gate(limit, at_once=1_000_000, monotonic=clock)
    times: deque[float] = deque()
    clock.now += 100
    while clock.now < 1_130:
        while gate._delay(clock.now, 0) == 0:
            await gate.enter(clock.now + FAR)
            times.append(clock.now)
        clock.now += 0.01
        while times and times[0] <= clock.now - WINDOW_SECONDS:
            times.popleft()
        assert len(times) <= limit


async def test_rate_is_nearly_the_limit() -> None:
    """What is held back is a burst, no more."""
    gate = Gate(3_000, at_once=1)
    assert gate._rate * WINDOW_SECONDS >= 0.95 * 3_000


async def test_first_come_first_served() -> None:
    """Those that wait go in their order; who failed goes before them."""
    gate = Gate(1_000, at_once=1)
    await gate.enter(soon())
    order: list[str] = []

    async def pass_through(name: str, *, again: bool = False) -> None:
        await gate.enter(soon(), again=again)
        order.append(name)
        gate.leave()

    waiting = [asyncio.ensure_future(pass_through(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    waiting.append(asyncio.ensure_future(pass_through("failed", again=True)))
    await asyncio.sleep(0)
    assert order == []
    gate.leave()
    await asyncio.gather(*waiting)
    assert order == ["failed", "first", "second"]


async def test_no_more_at_once_than_threads() -> None:
    """And after one has left, the next."""
    gate = Gate(1_000, at_once=2)
    await gate.enter(soon())
    await gate.enter(soon())
    third = asyncio.ensure_future(gate.enter(soon()))
    await asyncio.sleep(0.02)
    assert not third.done()
    gate.leave()
    await third


async def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    """With the time after which it would have been its turn."""
    gate = Gate(10, at_once=100)
    await gate.enter(soon())
    waiting = [asyncio.ensure_future(gate.enter(soon())) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(SignerUnavailable) as caught:
        await gate.enter(soon(3))
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 3
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not gate._waiting


async def test_turn_that_does_not_come() -> None:
    """Threads that do not come back make nobody wait past its deadline."""
    gate = Gate(1_000, at_once=1)
    await gate.enter(soon())
    with pytest.raises(SignerUnavailable):
        await gate.enter(soon(0.3))
    assert not gate._waiting


async def test_pause_that_was_asked_for_is_kept() -> None:
    """Nobody is let through before, and a deadline that lies before its end is refused at once."""
    gate = Gate(1_000, at_once=8)
    gate.failed(SignerBusy("throttled", asked_for=0.2, throttled=True))
    ends = time.monotonic() + 0.2
    await gate.enter(soon())
    assert time.monotonic() >= ends
    gate.failed(SignerBusy("throttled", asked_for=30, throttled=True))
    with pytest.raises(SignerUnavailable, match="throttled") as caught:
        await gate.enter(soon(5))
    assert caught.value.retry_after is not None
    assert 25 < caught.value.retry_after <= 30


async def test_pauses_grow_and_end_with_success() -> None:
    """Failures together count as one; each further one doubles the pause, up to a bound."""
    clock = FakeTime()
    gate = Gate(1_000, at_once=8, monotonic=clock)
    pauses = []
    for _ in range(7):
        for _ in range(8):
            gate.failed(SignerBusy("gone"))
        pauses.append(gate._paused_until - clock.now)
        clock.now = gate._paused_until
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8]
    gate.succeeded()
    gate.failed(SignerBusy("gone"))
    assert gate._paused_until - clock.now == 0.5


@pytest.mark.parametrize("asked_for", [0.0, 0.01, None])
async def test_pause_that_was_asked_for_does_not_shorten_others(asked_for: float | None) -> None:
    """`Retry-After: 0`, or a date that is past, lets nobody hurry; who fails together is counted once all the same."""
    clock = FakeTime()
    gate = Gate(1_000, at_once=8, monotonic=clock)
    pauses = []
    for _ in range(4):
        for _ in range(8):
            gate.failed(SignerBusy("throttled", asked_for=asked_for, throttled=True))
        pauses.append(gate._paused_until - clock.now)
        clock.now = gate._paused_until
    assert pauses == [0.5, 1, 2, 4]


async def test_longer_pause_wins() -> None:
    """What one of several that fail together was told; a minute at most."""
    clock = FakeTime()
    gate = Gate(1_000, at_once=8, monotonic=clock)
    for asked_for, pause in ((3.0, 3), (0.0, 3), (5.0, 5), (7_200.0, 60)):
        gate.failed(SignerBusy("throttled", asked_for=asked_for, throttled=True))
        assert gate._paused_until - clock.now == pause


async def test_one_attempt_finds_out_whether_trouble_is_over() -> None:
    """Until it has, the others wait."""
    gate = Gate(1_000, at_once=8)
    gate.failed(SignerBusy("gone", asked_for=0.01))
    entered = [asyncio.ensure_future(gate.enter(soon())) for _ in range(4)]
    await asyncio.wait(entered, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.05)
    assert sum(one.done() for one in entered) == 1
    gate.succeeded()
    gate.leave()
    await asyncio.gather(*entered)
