"""Waiting for what is under way, without taking it along when the wait ends."""

import asyncio

import pytest

from linecert_service.rpc.under_way import UnderWay

Answers = list["asyncio.Future[None]"]


@pytest.fixture
async def answers() -> Answers:
    """Three that are open."""
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(3)]


@pytest.fixture
async def under_way(answers: Answers) -> UnderWay:
    """All of them."""
    watched = UnderWay()
    for answer in answers:
        watched.add(answer)
    return watched


def soon(seconds: float = 30) -> float:
    """A time on the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


async def test_it_wakes_when_few_enough_are_left(under_way: UnderWay, answers: Answers) -> None:
    """As many as were asked for, whichever they are; refused ones count as answered."""
    waiting = asyncio.ensure_future(under_way.at_most(1, soon()))
    answers[2].set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    answers[0].set_exception(RuntimeError())
    assert await waiting
    assert answers[0].exception()


async def test_time_that_is_up(under_way: UnderWay, answers: Answers) -> None:
    """It says so, and what is under way stays under way; also when the time was up before."""
    assert not await under_way.at_most(0, soon(0.01))
    assert not await under_way.at_most(0, soon(-1))
    assert not any(answer.done() for answer in answers)
    assert await under_way.at_most(3, soon(-1))


async def test_a_wait_that_is_cancelled_cancels_nothing(under_way: UnderWay, answers: Answers) -> None:
    """A call that is given up leaves alone what it began."""
    waiting = asyncio.ensure_future(under_way.at_most(0, soon()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for answer in answers:
        answer.set_result(None)
    assert await under_way.at_most(0, soon())
