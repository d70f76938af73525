"""`validate_only`: every check, and nothing that stays."""

import pytest
from google.protobuf.duration_pb2 import Duration

from linecert.v1.issuance_pb2 import ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceRequest
from support import audit_log, csrs
from support.server import Caller, Running, ask, device_key, refused

NEW_KEY = csrs.key("P-256", number=1)


async def test_what_would_be_issued_is_described(server: Running, station: Caller) -> None:
    """Profile, issuer and validity; but no certificate, no serial number, no position and no chain."""
    request = ask("Device-01", lot="L1", attributes={"panel": "7"}, validate_only=True)
    answer = await station.sign(request)
    request.validate_only = False
    issued = (await station.sign(request)).issued
    planned = answer.issued
    assert not answer.HasField("chain")
    assert (planned.certificate, planned.serial_number, planned.certificate_sha256, planned.log_index) == (
        b"",
        "",
        "",
        0,
    )
    same = ("registration_id", "profile", "station", "line", "request_id", "lot", "attributes")
    for field in (*same, "public_key_sha256", "csr_sha256", "issuer_certificate_sha256"):
        assert getattr(planned, field) == getattr(issued, field), field
    assert (
        planned.not_after.seconds - planned.not_before.seconds == issued.not_after.seconds - issued.not_before.seconds
    )
    assert len(audit_log.verified(server.installation).certificates) == 1


async def test_nothing_is_signed_or_recorded(server: Running, station: Caller) -> None:
    """Not even a discarded signature is in the log, and neither ID, key nor request_id is reserved."""
    before = audit_log.verified(server.installation)
    request = ask(validate_only=True)
    await station.sign(request)
    await station.sign(request)
    assert audit_log.verified(server.installation).signatures == before.signatures
    other = await station.sign(ask(key=NEW_KEY, request_id=request.request_id))
    assert not other.replayed
    assert not (await station.sign(ask("device-02", key=device_key("device-01")))).replayed


@pytest.mark.parametrize(
    "request_, reason",
    [
        (ask(key=NEW_KEY), "REGISTRATION_ID_TAKEN"),
        (ask("DEVICE-01"), "REGISTRATION_ID_CASE_DIFFERS"),
        (ask("device-02", key=device_key("device-01")), "PUBLIC_KEY_TAKEN"),
        (ask("device-02", replacement_reason=ReplacementReason.REPLACEMENT_REASON_LOST), "REPLACEMENT_NOT_ALLOWED"),
        (ask("device-02", work_order="WO-1"), "WORK_ORDER_UNKNOWN"),
        (ask("device-02", profile="other"), "PROFILE_NOT_ALLOWED"),
        (ask("device-02", validity=Duration(seconds=2**40)), "VALIDITY_INVALID"),
        (ask("device-02", csr=b"no CSR"), "CSR_MALFORMED"),
        (ask("device-02", request_id="1"), "REQUEST_ID_INVALID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_would_be_refused_is_refused(
    server: Running, station: Caller, request_: SignDeviceRequest, reason: str
) -> None:
    """With the same reason as without `validate_only`, and no signature for it."""
    await station.sign(ask())
    before = audit_log.verified(server.installation).signatures
    request = SignDeviceRequest()
    request.CopyFrom(request_)
    request.validate_only = True
    assert (await refused(station.sign(request))).reason == reason
    assert audit_log.verified(server.installation).signatures == before
    assert (await refused(station.sign(request_))).reason == reason


async def test_what_would_be_a_replay_is_said_to_be_one(station: Caller) -> None:
    """It describes the certificate that stands, which is not handed out, as the contract has it."""
    first = await station.sign(ask())
    answer = await station.sign(ask(validate_only=True))
    assert answer.replayed
    assert (answer.issued.certificate, answer.issued.serial_number, answer.issued.log_index) == (b"", "", 0)
    assert answer.issued.not_after == first.issued.not_after
    assert answer.issued.request_id == first.issued.request_id
