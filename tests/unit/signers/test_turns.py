"""Many threads inside, or one alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from linecert_service.signers.pkcs11.turns import Busy, Turns


def test_threads_work_side_by_side() -> None:
    """Two are inside at the same time."""
    turns, together = Turns(), threading.Barrier(2)

    def work() -> None:
        with turns.shared(patience=30):
            together.wait(30)

    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(work) for _ in range(2)]:
            result.result()


def test_who_is_inside_keeps_others_from_being_alone() -> None:
    """As a call that hangs in the module keeps it from being started anew; afterwards all is as before."""
    turns = Turns()
    with turns.shared(patience=0):
        with pytest.raises(Busy), turns.alone(patience=0.01):
            pass
        with turns.shared(patience=0):
            pass
    with turns.alone(patience=0):
        pass


def test_nobody_enters_while_one_is_alone() -> None:
    """Neither to work nor to be alone, too."""
    turns = Turns()
    with turns.alone(patience=0):
        for enter in (turns.shared, turns.alone):
            with pytest.raises(Busy), enter(0.01):
                pass
    with turns.shared(patience=0):
        pass


def test_one_that_waits_to_be_alone_comes_next() -> None:
    """Those who come later wait: a stream of signatures does not put a new start off for ever."""
    turns, inside, leave = Turns(), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with turns.shared(30):
            inside.set()
            leave.wait(30)

    def alone() -> None:
        with turns.alone(30):
            order.append("alone")

    def later() -> None:
        with turns.shared(30):
            order.append("later")

    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(first)]
        assert inside.wait(30)
        results.append(pool.submit(alone))
        while not turns._taken:
            pass
        results.append(pool.submit(later))
        leave.set()
        for result in results:
            result.result(30)
    assert order == ["alone", "later"]


def test_an_error_inside_lets_the_others_in() -> None:
    """Whoever fails leaves all the same."""
    turns = Turns()
    for enter in (turns.shared, turns.alone):
        with pytest.raises(ZeroDivisionError), enter(0):
            _ = 1 / 0
    with turns.alone(patience=0):
        pass
