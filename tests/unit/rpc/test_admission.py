"""Slots for requests."""

import pytest

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.rpc.admission import Admission


def reason(admission: Admission, station: str) -> str:
    """The reason that a request of `station` is not admitted for."""
    with pytest.raises(Refused) as caught:
        admission.enter(station)
    assert caught.value.retry_after
    return contract.refusal(caught.value.reason).name


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


def test_a_station_alone_may_have_all() -> None:
    """Where nobody else is, nothing is kept free."""
    admission = Admission(10)
    for _ in range(10):
        admission.enter("station-01")
    assert admission.pending == 10


def test_closed_admission_sends_callers_elsewhere() -> None:
    """While the server drains, nothing more is taken on."""
    admission = Admission(10)
    admission.close()
    assert reason(admission, "station-01") == "SHUTTING_DOWN"
