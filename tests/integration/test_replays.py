"""What becomes of a request for a device, a key or a request_id that the log has already: section by section."""

import pytest
from google.protobuf.duration_pb2 import Duration

from linecert.v1.audit_pb2 import GetIssuedCertificateRequest
from linecert.v1.issuance_pb2 import IssuedCertificate, ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from linecert_service.installation.add_station import AddOptions, add_station
from support import audit_log, csrs
from support.clocks import SettableClock
from support.installations import Installation
from support.issuers import in_days
from support.server import Caller, Running, ask, device_key, leaf, refused, serving

LOST = ReplacementReason.REPLACEMENT_REASON_LOST
REWORK = ReplacementReason.REPLACEMENT_REASON_REWORK
COMPROMISE = ReplacementReason.REPLACEMENT_REASON_KEY_COMPROMISE
EXPIRING = ReplacementReason.REPLACEMENT_REASON_EXPIRING
NEW_KEY = csrs.key("P-256", number=1)


def same(first: SignDeviceResponse, second: SignDeviceResponse) -> bool:
    """Whether the second is the first, given again: the same octets, and nothing new in the record."""
    assert not first.replayed
    return (
        second.replayed
        and second.issued.certificate == first.issued.certificate
        and second.chain == first.chain
        and second.issued == first.issued
    )


@pytest.fixture
def installation(installation: Installation) -> Installation:
    """Stations 01 and 03, of two lines, may replace for every reason; station-02, on the line of 01, for none."""
    reasons = 'profiles = ["device"]\nreplacement_reasons = ["LOST", "REWORK", "KEY_COMPROMISE", "EXPIRING"]'
    add_station(installation.settings(), AddOptions("station-03", "line-02"), in_days(0))
    installation.edit('profiles = ["device"]', reasons, file="stations.toml")
    add_station(installation.settings(), AddOptions("station-02", "line-01"), in_days(0))
    return installation


async def test_the_same_request_again_is_the_same_answer(server: Running, station: Caller) -> None:
    """Same request_id: byte-equal certificate and chain, marked as replayed; the second signature is discarded."""
    request = ask(lot="L1", attributes={"panel": "7"})
    first = await station.sign(request)
    assert same(first, await station.sign(request))
    log = audit_log.verified(server.installation)
    assert len(log.certificates) == 1
    assert log.discarded() == ["REPLAYED"]


async def test_a_replay_does_not_depend_on_what_is_only_traced(station: Caller) -> None:
    """Attributes are no part of the request's identity, and neither is another CSR for the same key."""
    request = ask(attributes={"panel": "7"})
    first = await station.sign(request)
    again = SignDeviceRequest()
    again.CopyFrom(request)
    again.attributes["panel"] = "8"
    again.csr = csrs.pem(csrs.make("device-01", device_key("device-01"), hash_name="SHA-384"))
    assert same(first, await station.sign(again))


@pytest.mark.parametrize(
    "change",
    [
        {"csr": csrs.make("device-02", device_key("device-01"))},
        {"csr": csrs.make("device-01", NEW_KEY)},
        {"lot": "L2"},
        {"validity": Duration(seconds=60)},
        {"profile": "device"},
        {"replacement_reason": LOST},
    ],
    ids=["registration ID", "key", "lot", "validity", "profile", "reason"],
)
async def test_a_request_id_is_for_one_request(station: Caller, change: dict[str, object]) -> None:
    """The same request_id with anything else asked for is REQUEST_ID_REUSED."""
    request = ask()
    await station.sign(request)
    refusal = await refused(station.sign(ask(**{"request_id": request.request_id, "csr": request.csr} | change)))
    assert (refusal.status, refusal.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


async def test_request_ids_are_each_stations_own(server: Running, station: Caller) -> None:
    """Two stations may choose the same one."""
    first = await station.sign(ask("device-01"))
    other = server.caller("station-02")
    second = await other.sign(ask("device-02", request_id=first.issued.request_id))
    assert not second.replayed


async def test_the_same_key_again_is_the_same_answer(server: Running, station: Caller) -> None:
    """A new request_id for the same ID and key is a replay; the new request_id is not stored."""
    first = await station.sign(ask())
    again = ask(lot="L2")
    assert same(first, await station.sign(again))
    assert [record.request_id for record in audit_log.verified(server.installation).certificates] == [
        first.issued.request_id
    ]


async def test_a_replay_for_another_station_shows_no_trace(server: Running, station: Caller) -> None:
    """On the same line a second station gets the certificate, without whose it is and what it was made for."""
    first = await station.sign(ask(lot="L1", attributes={"panel": "7"}))
    second = await server.caller("station-02").sign(ask())
    assert second.replayed
    assert second.issued.certificate == first.issued.certificate
    hidden = IssuedCertificate()
    hidden.CopyFrom(first.issued)
    for field in ("station", "request_id", "work_order", "lot", "attributes"):
        hidden.ClearField(field)
    assert second.issued == hidden


async def test_a_replay_by_key_is_for_the_same_line(server: Running, station: Caller) -> None:
    """On another line the device is taken, and nothing is told of it."""
    await station.sign(ask())
    refusal = await refused(server.caller("station-03").sign(ask()))
    assert (refusal.reason, refusal.metadata) == ("REGISTRATION_ID_TAKEN", ())


async def test_an_id_in_another_case_is_the_same_device(server: Running, station: Caller) -> None:
    """DPS takes both for one device: refused, with the serial number of the caller's own certificate."""
    first = await station.sign(ask("Device-01"))
    for key in (device_key("Device-01"), NEW_KEY):
        refusal = await refused(station.sign(ask("device-01", key=key)))
        assert (refusal.status, refusal.reason) == ("ALREADY_EXISTS", "REGISTRATION_ID_CASE_DIFFERS")
        assert dict(refusal.metadata)["serial_number"] == first.issued.serial_number
    other = await refused(server.caller("station-02").sign(ask("DEVICE-01")))
    assert (other.reason, other.metadata) == ("REGISTRATION_ID_CASE_DIFFERS", ())


async def test_a_key_is_for_one_device(server: Running, station: Caller) -> None:
    """The key of another device is PUBLIC_KEY_TAKEN; its owner learns by which certificate, others do not."""
    first = await station.sign(ask("device-01", key=NEW_KEY))
    refusal = await refused(station.sign(ask("device-02", key=NEW_KEY)))
    assert (refusal.status, refusal.reason, refusal.action) == ("ALREADY_EXISTS", "PUBLIC_KEY_TAKEN", "fix_device")
    metadata = dict(refusal.metadata)
    assert metadata["serial_number"] == first.issued.serial_number
    assert metadata["issue_time"] == first.issued.issue_time.ToJsonString()
    other = await refused(server.caller("station-02").sign(ask("device-02", key=NEW_KEY)))
    assert (other.reason, other.metadata) == ("PUBLIC_KEY_TAKEN", ())


async def test_a_device_has_one_certificate(server: Running, station: Caller) -> None:
    """Another key without a reason is REGISTRATION_ID_TAKEN; the owner learns by which certificate, others do not."""
    first = await station.sign(ask())
    refusal = await refused(station.sign(ask(key=NEW_KEY)))
    assert (refusal.status, refusal.reason, refusal.action) == ("ALREADY_EXISTS", "REGISTRATION_ID_TAKEN", "fix_device")
    assert dict(refusal.metadata) == {
        "serial_number": first.issued.serial_number,
        "issue_time": first.issued.issue_time.ToJsonString(),
    }
    other = await refused(server.caller("station-02").sign(ask(key=NEW_KEY)))
    assert (other.reason, other.metadata) == ("REGISTRATION_ID_TAKEN", ())
    log = audit_log.verified(server.installation)
    assert len(log.certificates) == 1
    assert log.discarded() == ["REGISTRATION_ID_TAKEN"] * 2


async def test_there_must_be_something_to_replace(station: Caller) -> None:
    """A reason for a device without a certificate is NOTHING_TO_REPLACE."""
    refusal = await refused(station.sign(ask(replacement_reason=LOST)))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "NOTHING_TO_REPLACE")


async def test_a_replacement_is_the_next_generation(server: Running, station: Caller, auditor: Caller) -> None:
    """Linked both ways; the first is REPLACED, the second ACTIVE and the device's newest."""
    first = (await station.sign(ask())).issued
    second = (await station.sign(ask(key=NEW_KEY, replacement_reason=REWORK))).issued
    assert (first.generation, second.generation) == (1, 2)
    assert second.replaces_serial_number == first.serial_number
    assert second.replacement_reason == REWORK
    before = (await auditor.audit.GetIssuedCertificate(_serial(first))).issued
    assert before.state == IssuedCertificate.STATE_REPLACED
    assert before.replaced_by_serial_number == second.serial_number
    newest = await auditor.audit.GetIssuedCertificate(GetIssuedCertificateRequest(registration_id="device-01"))
    assert newest.issued == second
    records = audit_log.verified(server.installation).of("device-01")
    assert [(record.generation, record.replacement_reason) for record in records] == [(1, None), (2, "REWORK")]


@pytest.mark.parametrize("reason", [LOST, EXPIRING])
async def test_a_secure_element_keeps_its_key(station: Caller, reason: ReplacementReason) -> None:
    """LOST and EXPIRING give a new certificate for the old key."""
    first = await station.sign(ask())
    second = await station.sign(ask(replacement_reason=reason))
    assert second.issued.generation == 2
    assert leaf(second.issued).public_key() == leaf(first.issued).public_key()
    assert leaf(second.issued).serial_number != leaf(first.issued).serial_number


@pytest.mark.parametrize("reason", [REWORK, COMPROMISE])
async def test_some_reasons_need_a_new_key(station: Caller, reason: ReplacementReason) -> None:
    """REWORK and KEY_COMPROMISE with the old key are PUBLIC_KEY_TAKEN."""
    await station.sign(ask())
    refusal = await refused(station.sign(ask(replacement_reason=reason)))
    assert refusal.reason == "PUBLIC_KEY_TAKEN"


async def test_a_compromised_key_never_comes_back(station: Caller) -> None:
    """Neither for its own device, nor for another one."""
    await station.sign(ask())
    await station.sign(ask(key=NEW_KEY, replacement_reason=COMPROMISE))
    for request in (ask(replacement_reason=LOST), ask("device-02", key=device_key("device-01"))):
        refusal = await refused(station.sign(request))
        assert (refusal.reason, "compromised" in refusal.message) == ("PUBLIC_KEY_TAKEN", True)


async def test_a_replacement_sent_again_is_the_same_one(station: Caller) -> None:
    """By its request_id; and so is the first certificate, in whatever state it is now."""
    original, replacement = ask(), ask(key=NEW_KEY, replacement_reason=REWORK)
    first = await station.sign(original)
    second = await station.sign(replacement)
    assert same(second, await station.sign(replacement))
    again = await station.sign(original)
    assert again.replayed
    assert again.issued.certificate == first.issued.certificate
    assert again.issued.state == IssuedCertificate.STATE_REPLACED


async def test_a_station_replaces_for_its_reasons_only(server: Running, station: Caller) -> None:
    """By default for none: REPLACEMENT_NOT_ALLOWED."""
    await station.sign(ask())
    refusal = await refused(server.caller("station-02").sign(ask(replacement_reason=LOST)))
    assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "REPLACEMENT_NOT_ALLOWED")
    assert "replacement_reasons" in refusal.message


async def test_a_station_replaces_on_its_own_line_only(server: Running, station: Caller) -> None:
    """Another line's device is REPLACEMENT_NOT_ALLOWED, although the reason is allowed."""
    await station.sign(ask())
    refusal = await refused(server.caller("station-03").sign(ask(replacement_reason=LOST)))
    assert (refusal.reason, "another line" in refusal.message) == ("REPLACEMENT_NOT_ALLOWED", True)


async def test_an_expired_certificate_is_no_answer_to_a_new_request(installation: Installation) -> None:
    """By request_id it is still given again; by key it is not, and the device needs a replacement."""
    clock = SettableClock()
    async with serving(installation, clock) as server:
        station = server.caller()
        request = ask(validity=Duration(seconds=60))
        first = await station.sign(request)
        clock.passed = 120
        again = await station.sign(request)
        refusal = await refused(station.sign(ask()))
        second = await station.sign(ask(replacement_reason=EXPIRING))
    assert again.issued.certificate == first.issued.certificate
    assert again.issued.state == IssuedCertificate.STATE_EXPIRED
    assert refusal.reason == "REGISTRATION_ID_TAKEN"
    assert second.issued.generation == 2


async def test_a_replay_outlives_a_change_of_policy(installation: Installation) -> None:
    """After a restart with patterns that exclude the device: the same answer. Anything else is refused."""
    request = ask()
    async with serving(installation) as server:
        first = await server.caller().sign(request)
    patterns = 'registration_id_patterns = ["other-*"]\nreplacement_reasons = ["LOST", "REWORK"'
    installation.edit('replacement_reasons = ["LOST", "REWORK"', patterns, file="stations.toml")
    async with serving(installation) as server:
        station = server.caller()
        assert same(first, await station.sign(request))
        assert same(first, await station.sign(ask()))
        for other in (ask("device-02"), ask(key=NEW_KEY), ask(replacement_reason=LOST)):
            refusal = await refused(station.sign(other))
            assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "REGISTRATION_ID_NOT_ALLOWED")


async def test_a_replay_outlives_a_work_order_that_became_required(installation: Installation) -> None:
    """The retry of a request from before the change is answered, a new one is WORK_ORDER_REQUIRED."""
    request = ask()
    async with serving(installation) as server:
        first = await server.caller().sign(request)
    installation.edit('roles = ["station"]', 'roles = ["station"]\nwork_order_required = true', file="stations.toml")
    async with serving(installation) as server:
        station = server.caller()
        assert same(first, await station.sign(request))
        refusal = await refused(station.sign(ask("device-02")))
    assert (refusal.status, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "WORK_ORDER_REQUIRED", "work_order")


async def test_a_work_order_must_exist(station: Caller) -> None:
    """Nobody has opened one: WORK_ORDER_UNKNOWN, for the planner to see to."""
    refusal = await refused(station.sign(ask(work_order="WO-1")))
    assert (refusal.status, refusal.reason, refusal.action) == ("NOT_FOUND", "WORK_ORDER_UNKNOWN", "ask_planner")


async def test_a_replay_survives_a_restart(installation: Installation) -> None:
    """What was answered is on disk: byte-equal after a restart, and the log goes on behind it."""
    request = ask()
    async with serving(installation) as server:
        first = await server.caller().sign(request)
    async with serving(installation) as server:
        assert same(first, await server.caller().sign(request))
        await server.caller().sign(ask("device-02"))
    log = audit_log.verified(installation)
    assert [record.registration_id for record in log.certificates] == ["device-01", "device-02"]
    assert log.newest
    assert log.newest.size == log.size


def _serial(issued: IssuedCertificate) -> GetIssuedCertificateRequest:
    return GetIssuedCertificateRequest(serial_number=issued.serial_number)
