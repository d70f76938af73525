"""The rules by which a claim is recorded, answered with what stands, or refused."""

from dataclasses import replace
from typing import Any

import pytest

from linecert import contract
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import Claim
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.store.classify import Answered, New, classify
from linecert_service.store.standing import Stand, Standing, WorkOrderStand
from support.claims import NOW, claim, order, record, request_id, sha256


def refusal(asked: Claim, standing: Standing) -> Refused:
    """What `asked` is refused with."""
    with pytest.raises(Refused) as caught:
        classify(asked, standing, NOW)
    return caught.value


def reason(asked: Claim, standing: Standing) -> str:
    """The name of the reason that `asked` is refused for."""
    return contract.refusal(refusal(asked, standing).reason).name


def stands(*of: Claim, orders: tuple[WorkOrderStand, ...] = ()) -> Standing:
    """What stands after first certificates were issued for these claims."""
    return Standing((Stand(record(asked)) for asked in of), orders)


def replaced(first: Claim, second: Claim) -> Standing:
    """What stands after a device's first certificate was replaced."""
    standing = stands(first)
    before = standing.device(first.registration_key)[1].record
    standing.add(record(second, generation=2, replaces=before.serial))
    return standing


def test_new_device_is_recorded_as_generation_one() -> None:
    """A device that the store does not know gets its first certificate."""
    assert classify(claim(), Standing(), NOW) == New(1, None, None)


def test_own_row_is_answered_as_issued_not_as_replay() -> None:
    """A row with the claim's own serial is there because the reply to its COMMIT was lost: it was issued."""
    asked = claim()
    row = record(asked)
    answer = classify(asked, Standing([Stand(row)]), NOW, row.serial)
    assert answer == Answered(Stand(row), replayed=False)


def test_same_request_is_a_replay_whatever_state_its_certificate_is_in() -> None:
    """The same request_id with the same content is answered with its certificate, even an expired or replaced one."""
    asked = claim(not_after=NOW - 1)
    answer = classify(asked, replaced(asked, claim(replacement_reason="LOST")), NOW)
    assert isinstance(answer, Answered)
    assert answer.replayed
    assert answer.stand.record.request_id == asked.request_id


def test_same_request_id_with_other_content_is_refused() -> None:
    """A request_id names one request."""
    asked = claim()
    assert reason(replace(asked, request_sha256=sha256("other")), stands(asked)) == "REQUEST_ID_REUSED"


def test_request_ids_of_two_stations_do_not_meet() -> None:
    """request_id is unique for a station only."""
    first = claim("device-01")
    second = claim("device-02", station="station-02", request_id=first.request_id)
    assert isinstance(classify(second, stands(first), NOW), New)


def test_same_key_on_same_line_with_new_request_id_is_a_replay() -> None:
    """A station that lost its request_id still gets no second certificate for the device."""
    first = claim()
    again = replace(first, request_id=request_id(10**6))
    answer = classify(again, stands(first), NOW)
    assert isinstance(answer, Answered)
    assert answer.replayed


@pytest.mark.parametrize(
    "changes",
    [{"line": "line-02"}, {"profile": "other"}, {"work_order": "WO-17"}, {"spki_sha256": sha256("new key")}],
    ids=lambda changes: next(iter(changes)),
)
def test_second_certificate_without_a_reason_is_refused(changes: dict[str, str]) -> None:
    """What differs in line, profile, order or key is no repetition, and without a reason nothing more is made."""
    first = claim()
    again = replace(first, request_id=request_id(10**6), **changes)
    assert reason(again, stands(first, orders=(order(),))) == "REGISTRATION_ID_TAKEN"


def test_expired_certificate_is_no_replay_by_key() -> None:
    """A certificate that has expired does not answer a new request, and the device needs a reason for another one."""
    first = claim(not_after=NOW - 1)
    refused = refusal(replace(first, request_id=request_id(10**6)), stands(first))
    assert contract.refusal(refused.reason).name == "REGISTRATION_ID_TAKEN"
    assert "which has expired" in refused.message


@pytest.mark.parametrize(
    "changes, told",
    [({"spki_sha256": b"k" * 32}, "for another key"), ({"line": "L9"}, "for another line, profile or work order")],
)
def test_a_registration_id_that_is_taken_says_what_differs(changes: dict[str, Any], told: str) -> None:
    """A device with a new key and a CSR with another device's ID look alike: the message tells both ways out."""
    first = claim()
    message = refusal(replace(first, request_id=request_id(10**6), **changes), stands(first)).message
    assert told in message
    assert "replacement_reason" in message
    assert "another device's ID" in message


def test_refusal_tells_the_issuing_station_which_certificate_stands() -> None:
    """Metadata names serial number and time where the caller issued the certificate itself."""
    first = claim()
    error = refusal(replace(first, request_id=request_id(10**6), spki_sha256=sha256("new key")), stands(first))
    assert set(error.metadata) == {"serial_number", "issue_time"}
    assert error.metadata["issue_time"] == "2027-01-15T08:00:00.000000Z"


def test_refusal_tells_another_station_nothing() -> None:
    """To a station only what it issued itself exists."""
    first = claim()
    other = replace(first, station="station-02", request_id=request_id(10**6), spki_sha256=sha256("new key"))
    assert not refusal(other, stands(first)).metadata


def test_same_id_in_another_case_is_refused() -> None:
    """DPS would take both for one device, and IoT Hub would not."""
    assert reason(claim("Device-01"), stands(claim("device-01"))) == "REGISTRATION_ID_CASE_DIFFERS"


def test_key_of_another_active_device_is_refused() -> None:
    """One key, one device."""
    first = claim("device-01")
    assert reason(claim("device-02", spki_sha256=first.spki_sha256), stands(first)) == "PUBLIC_KEY_TAKEN"


def test_key_of_an_expired_device_may_be_used_again() -> None:
    """A key stands under another ID only as long as the certificate is active."""
    first = claim("device-01", not_after=NOW - 1)
    assert isinstance(classify(claim("device-02", spki_sha256=first.spki_sha256), stands(first), NOW), New)


@pytest.mark.parametrize("device", ["device-01", "device-02"])
def test_compromised_key_is_never_accepted_again(device: str) -> None:
    """A key that was reported compromised is refused for its own device and for every other one."""
    first = claim("device-01")
    standing = replaced(first, claim("device-01", replacement_reason="KEY_COMPROMISE", spki_sha256=sha256("new")))
    asked = claim(device, replacement_reason="LOST" if device == "device-01" else None, spki_sha256=first.spki_sha256)
    assert reason(asked, standing) == "PUBLIC_KEY_TAKEN"


def test_reason_without_a_certificate_is_refused() -> None:
    """Nothing can be replaced where nothing stands."""
    assert reason(claim(replacement_reason="LOST"), Standing()) == "NOTHING_TO_REPLACE"


@pytest.mark.parametrize("why", ["LOST", "EXPIRING"])
def test_replacement_may_keep_the_key(why: str) -> None:
    """A secure element cannot change its key: LOST and EXPIRING take the old one."""
    first = claim()
    standing = stands(first)
    serial = standing.device("device-01")[1].record.serial
    assert classify(claim(replacement_reason=why), standing, NOW) == New(2, serial, None)


@pytest.mark.parametrize("why", ["REWORK", "KEY_COMPROMISE"])
def test_replacement_for_rework_or_compromise_needs_a_new_key(why: str) -> None:
    """The old key is refused, and a new one is taken."""
    standing = stands(claim())
    assert reason(claim(replacement_reason=why), standing) == "PUBLIC_KEY_TAKEN"
    assert isinstance(classify(claim(replacement_reason=why, spki_sha256=sha256("new")), standing, NOW), New)


def test_replacement_of_a_replacement_continues_the_line() -> None:
    """Generations count up, and each names the one before."""
    standing = replaced(claim(), claim(replacement_reason="LOST"))
    second = standing.device("device-01")[2].record
    assert classify(claim(replacement_reason="LOST"), standing, NOW) == New(3, second.serial, None)


def test_replacement_from_another_line_is_refused() -> None:
    """A station replaces certificates of its own line only."""
    assert reason(claim(line="line-02", replacement_reason="LOST"), stands(claim())) == "REPLACEMENT_NOT_ALLOWED"


def test_replacement_keeps_the_order_of_the_first_certificate() -> None:
    """Unnamed or named, the order stays; another one is refused, and a closed one does not matter."""
    standing = stands(claim(work_order="WO-17"), orders=(order(open=False, replacement_limit=1),))
    verdict = classify(claim(replacement_reason="LOST"), standing, NOW)
    assert isinstance(verdict, New)
    assert verdict.work_order == "WO-17"
    assert isinstance(classify(claim(replacement_reason="LOST", work_order="WO-17"), standing, NOW), New)
    assert reason(claim(replacement_reason="LOST", work_order="WO-18"), standing) == "WORK_ORDER_MISMATCH"


def test_replacement_limit_holds() -> None:
    """An order's replacements are counted; the refusal tells the counts."""
    standing = stands(claim(work_order="WO-17"), orders=(order(replacement_limit=2, replacements=2),))
    error = refusal(claim(replacement_reason="LOST"), standing)
    assert contract.refusal(error.reason).name == "WORK_ORDER_REPLACEMENTS_EXHAUSTED"
    assert error.metadata == {"replacement_limit": "2", "replacements": "2"}


@pytest.mark.parametrize(
    "stand, expected",
    [
        (None, "WORK_ORDER_UNKNOWN"),
        (order(open=False), "WORK_ORDER_CLOSED"),
        (order(lines=("line-02",)), "WORK_ORDER_NOT_ALLOWED"),
        (order(profile="other"), "WORK_ORDER_NOT_ALLOWED"),
        (order(patterns=RegistrationIdPatterns(["other-*"])), "WORK_ORDER_NOT_ALLOWED"),
        (order(names_devices=True, open=False), "WORK_ORDER_CLOSED"),
        (order(names_devices=True), "DEVICE_NOT_EXPECTED"),
        (order(names_devices=True, expects={"device-01": sha256("other key")}), "DEVICE_NOT_EXPECTED"),
        (order(issued=10), "WORK_ORDER_EXHAUSTED"),
    ],
    ids=["unknown", "closed", "line", "profile", "pattern", "closed_before_device", "device", "key", "quantity"],
)
def test_work_order_refuses(stand: WorkOrderStand | None, expected: str) -> None:
    """Each rule of a work order has its reason."""
    standing = Standing([], [stand] if stand else [])
    assert reason(claim(work_order="WO-17"), standing) == expected


STATES: list[dict[str, Any]] = [{}, {"open": False}, {"issued": 10}, {"names_devices": True}]


@pytest.mark.parametrize(
    "misfit",
    [{"lines": ("line-02",)}, {"profile": "secret"}, {"patterns": RegistrationIdPatterns(["other-*"])}],
    ids=["line", "profile", "pattern"],
)
def test_an_order_for_others_tells_nothing_of_itself(misfit: dict[str, Any]) -> None:
    """Whether it is open, how much of it is issued, and which profile it has: its refusal is the same for all."""
    refusals = [refusal(claim(work_order="WO-17"), Standing([], [order(**misfit, **state)])) for state in STATES]
    assert {contract.refusal(error.reason).name for error in refusals} == {"WORK_ORDER_NOT_ALLOWED"}
    assert len({(error.message, error.field) for error in refusals}) == 1
    assert not any(error.metadata for error in refusals)
    assert not any(secret in refusals[0].message for secret in ("secret", "line-02", "other-*"))


@pytest.mark.parametrize(
    "stand",
    [
        order(issued=9),
        order(lines=("line-01",)),
        order(patterns=RegistrationIdPatterns(["DEVICE-*"])),
        order(names_devices=True, expects={"device-01": None}),
        order(names_devices=True, expects={"device-01": sha256("key of device-01")}),
    ],
    ids=["last", "line", "pattern", "device", "key"],
)
def test_work_order_lets_through(stand: WorkOrderStand) -> None:
    """What an order asks for is recorded under it."""
    assert classify(claim(work_order="WO-17"), Standing([], [stand]), NOW) == New(1, None, "WO-17")


def test_order_counts_within_a_burst() -> None:
    """A claim of the same burst that was recorded before counts."""
    standing = Standing([], [order(quantity=1, replacement_limit=1)])
    standing.add(record(claim(work_order="WO-17")))
    assert reason(claim("device-02", work_order="WO-17"), standing) == "WORK_ORDER_EXHAUSTED"


def test_replay_outranks_an_exhausted_order() -> None:
    """A retry of what was issued is answered although its order takes nothing more."""
    asked = claim(work_order="WO-17")
    assert isinstance(classify(asked, stands(asked, orders=(order(issued=10),)), NOW), Answered)
