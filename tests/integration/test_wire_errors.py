"""Every refusal reaches the caller as google.rpc.Status, with details that say what was wrong and who has to act.

`support.server.Refusal` holds each one to the contract: ErrorInfo with domain, reason and action, the status of the
reason, BadRequest only for INVALID_ARGUMENT, RetryInfo exactly where sending again may help.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from linecert import contract
from linecert.v1 import signing_pb2
from linecert.v1.signing_pb2 import SignDeviceRequest
from support import audit_log, csrs
from support.server import Caller, Running, ask, installation_at, refused, serving

# One server for the module: nothing here is meant to leave anything in it.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_DEVICE = "/linecert.v1.SigningService/SignDevice"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The module's server."""
    async with serving(installation_at(tmp_path_factory.mktemp("wire") / "server")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def station(server: Running) -> Caller:
    """A connection of station-01."""
    return server.caller()


FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no request_id": ({"request_id": ""}, "REQUEST_ID_INVALID", "request_id"),
    "upper case": ({"request_id": "0190A7C6-5D3E-7C1A-9B0E-2F6D8C4B1A57"}, "REQUEST_ID_INVALID", "request_id"),
    "in braces": ({"request_id": "{0190a7c6-5d3e-7c1a-9b0e-2f6d8c4b1a57}"}, "REQUEST_ID_INVALID", "request_id"),
    "no hyphens": ({"request_id": "0190a7c65d3e7c1a9b0e2f6d8c4b1a57"}, "REQUEST_ID_INVALID", "request_id"),
    "newline": ({"request_id": "0190a7c6-5d3e-7c1a-9b0e-2f6d8c4b1a57\n"}, "REQUEST_ID_INVALID", "request_id"),
    "no CSR": ({"csr": b""}, "CSR_MALFORMED", "csr"),
    "other registration_id": ({"registration_id": "device-02"}, "REGISTRATION_ID_MISMATCH", "registration_id"),
    "registration_id's case": ({"registration_id": "Device-01"}, "REGISTRATION_ID_MISMATCH", "registration_id"),
    "registration_id no ID": ({"registration_id": "device 01\x00"}, "REGISTRATION_ID_MISMATCH", "registration_id"),
    "profile's form": ({"profile": "a b"}, "FIELD_INVALID", "profile"),
    "long profile": ({"profile": "a" * 65}, "FIELD_INVALID", "profile"),
    "profile not its own": ({"profile": "other"}, "PROFILE_NOT_ALLOWED", ""),
    "long order": ({"work_order": "w" * 65}, "FIELD_INVALID", "work_order"),
    "order with a space": ({"work_order": " WO-1"}, "FIELD_INVALID", "work_order"),
    "order with a control": ({"work_order": "WO\t1"}, "FIELD_INVALID", "work_order"),
    "long lot": ({"lot": "l" * 65}, "FIELD_INVALID", "lot"),
    "lot with a space": ({"lot": "L1 "}, "FIELD_INVALID", "lot"),
    "lot that turns the text": ({"lot": "L\u202e1"}, "FIELD_INVALID", "lot"),
    "17 attributes": ({"attributes": {f"a{number}": "" for number in range(17)}}, "FIELD_INVALID", "attributes"),
    "empty key": ({"attributes": {"": "7"}}, "FIELD_INVALID", "attributes"),
    "key in upper case": ({"attributes": {"Panel": "7"}}, "FIELD_INVALID", "attributes"),
    "long key": ({"attributes": {"a" * 33: "7"}}, "FIELD_INVALID", "attributes"),
    "long value": ({"attributes": {"panel": "v" * 129}}, "FIELD_INVALID", "attributes"),
    "long in octets": ({"attributes": {"panel": "ü" * 65}}, "FIELD_INVALID", "attributes"),
    "newline in a value": ({"attributes": {"panel": "7\n"}}, "FIELD_INVALID", "attributes"),
    "C1 in a value": ({"attributes": {"panel": "7\x85"}}, "FIELD_INVALID", "attributes"),
    "no validity": ({"validity": Duration()}, "VALIDITY_INVALID", "validity"),
    "negative validity": ({"validity": Duration(seconds=-1)}, "VALIDITY_INVALID", "validity"),
    "fraction": ({"validity": Duration(seconds=60, nanos=1)}, "VALIDITY_INVALID", "validity"),
    "over the maximum": ({"validity": Duration(seconds=5 * 365 * 86_400 + 1)}, "VALIDITY_INVALID", "validity"),
    "absurd validity": ({"validity": Duration(seconds=2**63 - 1)}, "VALIDITY_INVALID", "validity"),
    "unknown reason": ({"replacement_reason": 99}, "FIELD_INVALID", "replacement_reason"),
    "negative reason": ({"replacement_reason": -1}, "FIELD_INVALID", "replacement_reason"),
}
CSRS: dict[str, tuple[bytes, str]] = {
    "no DER": (b"\x30", "CSR_MALFORMED"),
    "too large": (b"\x30" * (16 * 1024 + 1), "CSR_TOO_LARGE"),
    "with a key": (csrs.pem(csrs.make()) + b"-----BEGIN PRIVATE KEY-----", "CSR_NOT_ALONE"),
    "broken signature": (csrs.make()[:-1] + bytes([csrs.make()[-1] ^ 1]), "CSR_SIGNATURE_INVALID"),
    "SHA-1": (csrs.make(key=csrs.key("RSA-2048"), hash_name="SHA-1"), "SIGNATURE_ALGORITHM_NOT_ALLOWED"),
    "P-521": (csrs.make(key=csrs.key("P-521")), "PUBLIC_KEY_NOT_ALLOWED"),
    "RSA-1024": (csrs.make(key=csrs.key("RSA-1024")), "PUBLIC_KEY_NOT_ALLOWED"),
    "a name with a space": (csrs.make("device 01"), "REGISTRATION_ID_INVALID"),
    "65 characters": (csrs.make("d" * 65), "REGISTRATION_ID_INVALID"),
}


@pytest.mark.parametrize("case", FIELDS)
async def test_a_field_of_the_wrong_form(station: Caller, case: str) -> None:
    """Refused with the field's own reason, BadRequest naming the field, and no text that was not checked."""
    fields, reason, field = FIELDS[case]
    refusal = await refused(station.sign(ask(**fields)))
    assert (refusal.reason, refusal.field or "") == (reason, field)
    assert refusal.message.isprintable()
    if refusal.status == "INVALID_ARGUMENT":
        assert field.split(".")[0] in refusal.message or reason == "VALIDITY_INVALID" or field == "csr"


@pytest.mark.parametrize("case", CSRS)
async def test_a_csr_of_the_wrong_form(station: Caller, case: str) -> None:
    """Refused with the rule's own reason, and the field `csr`."""
    csr, reason = CSRS[case]
    refusal = await refused(station.sign(ask(csr=csr)))
    assert (refusal.status, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", reason, "csr")


async def test_what_just_fits_is_taken(station: Caller) -> None:
    """The longest of everything, and text of any script."""
    attributes = {f"{number:0>32}": "ü" * 64 for number in range(16)}
    fields = {"lot": "Charge 7/ä" + "x" * 54, "validity": Duration(seconds=5 * 365 * 86_400), "attributes": attributes}
    issued = (await station.sign(ask("d" * 64, registration_id="d" * 64, **fields))).issued
    assert dict(issued.attributes) == attributes
    assert issued.lot == fields["lot"]


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\x0a\x05abc", b"\x0a\x03\xff\xfe\xfd", b"\x12\xff\xff\xff\xff\x0f", b"\x3a\x04\x0a\x02\xc3\x28"],
    ids=["no tag", "cut", "no UTF-8", "absurd length", "no UTF-8 in a map"],
)
async def test_what_is_no_message(station: Caller, data: bytes) -> None:
    """Octets that are no protobuf, or hold text that is no UTF-8, are INVALID_ARGUMENT, not UNKNOWN."""
    raw = station.channel.unary_unary(SIGN_DEVICE)
    refusal = await refused(raw(data))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_fields_of_a_newer_contract_are_ignored(station: Caller) -> None:
    """An unknown field does not stand in the way, as protobuf has it."""
    raw = station.channel.unary_unary(SIGN_DEVICE)
    request = ask("newer-client").SerializeToString() + b"\xfa\x3f\x03abc"
    assert signing_pb2.SignDeviceResponse.FromString(await raw(request)).issued.registration_id == "newer-client"


async def test_a_method_that_there_is_not(station: Caller) -> None:
    """The same for what the contract does not know."""
    for path in ("/linecert.v1.SigningService/Nothing", "/linecert.v2.SigningService/SignDevice"):
        assert (await refused(station.channel.unary_unary(path)(b""))).status == "UNIMPLEMENTED"


async def test_a_deadline_that_is_too_short(server: Running, station: Caller) -> None:
    """Below what an answer can take nothing is begun, and the caller gets no certificate."""
    before = audit_log.verified(server.installation).signatures
    refusal = await refused(station.sign(ask("too-short"), timeout=0.005))
    # The caller's own clock may be the first to ring.
    assert (refusal.status, refusal.reason) in {
        ("UNAVAILABLE", "DEADLINE_TOO_SHORT"),
        ("DEADLINE_EXCEEDED", ""),
    }
    assert audit_log.verified(server.installation).signatures == before


async def test_a_message_over_the_limit(station: Caller) -> None:
    """The transport refuses it, and the connection lives on."""
    refusal = await refused(station.sign(ask(csr=b"\0" * (10 << 20))))
    assert refusal.status == "RESOURCE_EXHAUSTED"
    await refused(station.sign(ask(request_id="")))


@pytest.mark.parametrize("service", contract.SERVICES, ids=lambda service: str(service.name))
async def test_every_method_of_the_contract_says_who_may_call_it(service: Any) -> None:
    """A method without roles would be refused to everybody; there is none."""
    assert all(contract.roles_of(method) for method in service.methods)


async def test_an_empty_request(station: Caller) -> None:
    """A request that is empty is refused for its first missing field."""
    refusal = await refused(station.sign(SignDeviceRequest()))
    assert (refusal.status, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "CSR_MALFORMED", "csr")


async def test_a_refused_call_leaves_no_certificate(server: Running, station: Caller) -> None:
    """What was refused for its form is in no log, and its device is free."""
    await refused(station.sign(ask("refused-first", lot=" ")))
    assert audit_log.verified(server.installation).of("refused-first") == []
    assert not (await station.sign(ask("refused-first"))).replayed
