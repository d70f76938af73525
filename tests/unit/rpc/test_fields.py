"""The form of fields."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from linecert import contract
from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_service.domain.errors import Refused
from linecert_service.rpc import fields

REQUEST_ID = "0190a7c6-5d3e-7c1a-9b0e-2f6d8c4b1a57"


def message(**changes: Any) -> SignDeviceRequest:
    """A request whose fields have the right form."""
    return SignDeviceRequest(**({"request_id": REQUEST_ID, "csr": b"csr"} | changes))


def refused(**changes: Any) -> tuple[str, str | None]:
    """Reason and field that a request is refused for."""
    with pytest.raises(Refused) as caught:
        fields.sign_request(message(**changes))
    return contract.refusal(caught.value.reason).name, caught.value.field


def test_unset_fields_are_none() -> None:
    """What was not asked is not made up."""
    request = fields.sign_request(message())
    assert (request.profile, request.work_order, request.lot, request.validity) == (None, None, None, None)
    assert (request.registration_id, request.replacement_reason, request.attributes) == (None, None, {})


def test_set_fields_are_taken_over() -> None:
    """What was asked is passed on as it is."""
    asked = message(profile="p", work_order="WO 17/3", lot="L\u00f6", attributes={"board": ""}, replacement_reason=2)
    asked.validity.FromSeconds(60)
    request = fields.sign_request(asked)
    assert (request.profile, request.work_order, request.lot, request.validity) == ("p", "WO 17/3", "L\u00f6", 60)
    assert (request.attributes, request.replacement_reason) == ({"board": ""}, "LOST")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        REQUEST_ID.upper(),
        "{" + REQUEST_ID + "}",
        REQUEST_ID + "\n",
        REQUEST_ID.replace("-", ""),
        "\u0660" * 36,
    ],
)
def test_request_id_is_a_canonical_uuid(value: str) -> None:
    """Every other spelling is refused, so that a retry cannot pass for another request."""
    assert refused(request_id=value) == ("REQUEST_ID_INVALID", "request_id")


def test_request_without_a_csr() -> None:
    """An empty CSR is malformed."""
    assert refused(csr=b"") == ("CSR_MALFORMED", "csr")


@pytest.mark.parametrize("value", ["a b", "\u00e4", "x" * 65, "a/b", "a\n"])
def test_profile_name(value: str) -> None:
    """Names have 1 to 64 of a few ASCII characters."""
    assert refused(profile=value) == ("FIELD_INVALID", "profile")


@pytest.mark.parametrize("field", ["work_order", "lot"])
@pytest.mark.parametrize("value", [" a", "a ", "x" * 65, "a\x00b", "a\nb", "a\u202eb", "\u00a0a"])
def test_work_order_and_lot(field: str, value: str) -> None:
    """Printable, without a space at the ends, 64 at most."""
    assert refused(**{field: value}) == ("FIELD_INVALID", field)


@pytest.mark.parametrize(
    "value",
    [{str(n): "" for n in range(17)}, {"Key": "v"}, {"": "v"}, {"k" * 33: "v"}, {"k": "\u00e9" * 65}, {"k": "a\x1bb"}],
    ids=["count", "case", "no key", "long key", "octets", "control"],
)
def test_attributes(value: dict[str, str]) -> None:
    """16 at most, keys of [a-z0-9_]{1,32}, values of 128 octets without control characters."""
    assert refused(attributes=value) == ("FIELD_INVALID", "attributes")


@pytest.mark.parametrize("value", [Duration(), Duration(seconds=-1), Duration(seconds=1, nanos=1)])
def test_validity(value: Duration) -> None:
    """Whole seconds, and more than none."""
    assert refused(validity=value) == ("VALIDITY_INVALID", "validity")


def test_unknown_replacement_reason() -> None:
    """A number of a newer contract is no reason here."""
    assert refused(replacement_reason=99) == ("FIELD_INVALID", "replacement_reason")


@given(st.text())
def test_refusals_never_repeat_what_was_sent(value: str) -> None:
    """No unvalidated text comes back in a message."""
    if len(value) < 3:
        return
    for field in ("request_id", "profile", "work_order", "lot"):
        try:
            fields.sign_request(message(**{field: value}))
        except Refused as error:
            assert value not in error.message  # noqa: PT017 - whether it is refused is the strategy's choice


@pytest.mark.parametrize("value", ["0a", "0A", "a", "0:a", "00" * 19 + "0A"])
def test_serial_number_as_people_copy_it(value: str) -> None:
    """Case, colons and leading zeros do not matter."""
    assert fields.serial_number(value, "serial_number") == bytes(19) + b"\x0a"


@pytest.mark.parametrize("value", ["", "x", "0" * 41, "\u0661", ":"])
def test_serial_number_that_is_none(value: str) -> None:
    """What is no hex of 20 octets is refused."""
    with pytest.raises(Refused):
        fields.serial_number(value, "serial_number")


def test_sha256() -> None:
    """64 hex digits, either case."""
    assert fields.sha256("AB" * 32, "f") == b"\xab" * 32
    assert fields.sha256("", "f") is None
    with pytest.raises(Refused):
        fields.sha256("ab", "f")


def test_times() -> None:
    """Microseconds and back; a time that no calendar has is refused."""
    assert fields.microseconds(fields.timestamp(1_234_567_890_123_456), "f") == 1_234_567_890_123_456
    with pytest.raises(Refused):
        fields.microseconds(Timestamp(seconds=10**15), "f")
