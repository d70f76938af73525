"""The client against a real server over mutual TLS: answers, refusals, retries."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linecert.v1 import audit_pb2, issuance_pb2
from linecert_client import (
    Client,
    DeadlineExceeded,
    Filter,
    IssuedCertificate,
    Refused,
    ReplacementReason,
    Unavailable,
    keys,
)
from linecert_client.keys import KeyType
from support.client_pki import Pki, write_client_folder
from support.fake_service import FakeService, fail, hang, lose_answer, refuse

_KEY = keys.generate(KeyType.P256)


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """A client of the fake service."""
    with Client.from_folder(folder) as opened:
        yield opened


def a_csr(registration_id: str = "device-01") -> bytes:
    """A CSR of the module's key."""
    return keys.make_csr(_KEY, registration_id)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA_2048])
def test_csr_becomes_certificate_for_its_key(client: Client, key_type: KeyType) -> None:
    """EC and RSA CSRs are signed; the certificate holds the CSR's key and name."""
    key = keys.generate(key_type)
    device = client.sign(keys.make_csr(key, "device-02"))
    leaf = x509.load_der_x509_certificate(device.certificate)
    assert leaf.public_key() == key.public_key()
    assert device.registration_id == "device-02"
    assert device.log_index == 0
    assert device.issue_time is not None
    assert device.issue_time.tzinfo is UTC


def test_der_csr_is_taken(client: Client) -> None:
    """A CSR may be DER as well as PEM."""
    der = x509.load_pem_x509_csr(a_csr()).public_bytes(Encoding.DER)
    assert client.sign(der).registration_id == "device-01"


def test_full_chain_is_leaf_intermediate_root(client: Client) -> None:
    """The full chain holds leaf, intermediate and root in this order, each issued by the next."""
    chain = x509.load_pem_x509_certificates(client.sign(a_csr()).full_chain_pem().encode())
    assert [certificate.subject.rfc4514_string() for certificate in chain] == ["CN=device-01", "CN=issuer", "CN=root"]
    for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True):
        certificate.verify_directly_issued_by(issuer)


def test_every_wish_arrives(client: Client, service: FakeService) -> None:
    """What sign is given stands in the request, field by field."""
    request_id = str(uuid.uuid4())
    client.sign(
        a_csr(),
        request_id=request_id,
        registration_id="device-01",
        profile="gateway",
        work_order="WO-1",
        lot="L7",
        attributes={"fixture": "3"},
        validity=timedelta(days=2),
        replacement_reason=ReplacementReason.KEY_COMPROMISE,
    )
    (request,) = service.requests
    assert request.request_id == request_id
    assert (request.registration_id, request.profile) == ("device-01", "gateway")
    assert (request.work_order, request.lot, dict(request.attributes)) == ("WO-1", "L7", {"fixture": "3"})
    assert request.validity.seconds == 2 * 86400
    assert request.replacement_reason == 3


def test_validate_only_has_no_certificate(client: Client) -> None:
    """An answer to validate_only has no serial number, no log index and no chain to write."""
    device = client.sign(a_csr(), validate_only=True)
    assert (device.serial_number, device.log_index) == ("", None)
    with pytest.raises(ValueError, match="validate_only"):
        device.full_chain_pem()


def test_private_key_is_not_sent(client: Client, service: FakeService) -> None:
    """A CSR file that holds a private key never leaves the station."""
    with pytest.raises(Refused) as caught:
        client.sign(a_csr() + keys.key_to_pem(_KEY))
    assert caught.value.reason == "CSR_NOT_ALONE"
    assert service.requests == []


def test_get_by_serial_number_and_by_device(client: Client) -> None:
    """A certificate is found by its serial number and as the newest of its device, with its chain."""
    device = client.sign(a_csr())
    assert client.get(serial_number=device.serial_number).full_chain_pem() == device.full_chain_pem()
    assert client.get(registration_id="device-01").serial_number == device.serial_number


def test_get_wants_one_key(client: Client) -> None:
    """Neither or both keys of a look-up are the caller's mistake."""
    with pytest.raises(ValueError, match="either"):
        client.get()
    with pytest.raises(ValueError, match="either"):
        client.get(serial_number="01", registration_id="device-01")


def test_list_goes_through_all_pages(client: Client, service: FakeService) -> None:
    """All pages are read, empty ones in between included, newest first."""
    for number in range(5):
        client.sign(a_csr(f"device-{number}"))
    pages = list(client.list(page_size=2))
    assert [[issued.registration_id for issued in page.issued] for page in pages if page.issued] == [
        ["device-4", "device-3"],
        ["device-2", "device-1"],
        ["device-0"],
    ]
    assert len(pages) > 3
    assert isinstance(pages[0].issued[0], IssuedCertificate)
    assert service.requests[-1].page_size == 2


def test_list_sends_its_filter(client: Client, service: FakeService) -> None:
    """Every field of the filter arrives."""
    since = datetime(2026, 1, 31, tzinfo=UTC)
    criteria = Filter(
        registration_id="a",
        registration_id_prefix="p",
        station="b",
        line="c",
        work_order="d",
        lot="e",
        profile="f",
        public_key_sha256="00",
        attributes={"board": "1"},
        state="replaced",
        since=since,
        after_log_index=0,
    )
    list(client.list(criteria))
    sent = service.requests[0].filter
    assert (sent.registration_id, sent.station, sent.line) == ("a", "b", "c")
    assert (sent.work_order, sent.lot, sent.profile) == ("d", "e", "f")
    assert sent.start_time.ToDatetime(tzinfo=UTC) == since
    assert not sent.HasField("end_time")
    assert (sent.registration_id_prefix, sent.public_key_sha256, dict(sent.attributes)) == ("p", "00", {"board": "1"})
    assert sent.state == issuance_pb2.IssuedCertificate.STATE_REPLACED
    assert sent.HasField("after_log_index")
    assert sent.after_log_index == 0


def test_issuers_say_who_is_asking(client: Client) -> None:
    """The issuers come with the caller's name, line and profiles."""
    issuers = client.issuers()
    assert (issuers.station, issuers.line) == ("ict-07", "smt-2")
    assert issuers.profiles[0].validity == timedelta(days=5 * 365)
    assert issuers.profiles[0].max_validity is None
    assert "BEGIN CERTIFICATE" in issuers.chains[0].pem()


def test_unknown_enum_values_of_newer_servers_survive(client: Client, service: FakeService) -> None:
    """A state that this version does not know is kept as its number."""
    answer = audit_pb2.GetIssuedCertificateResponse()
    answer.issued.MergeFromString(b"\x98\x01\x63")  # state = 99
    service.script(lambda *_: answer)
    assert client.get(serial_number="01").state == "99"


def test_refusal_carries_what_the_service_said(client: Client, service: FakeService) -> None:
    """Reason, status, action, field, metadata and message of a refusal arrive; it is not sent again."""
    service.script(
        refuse(
            "REGISTRATION_ID_TAKEN", "ALREADY_EXISTS", "fix_device", message="stands", field="csr", serial_number="0a"
        )
    )
    with pytest.raises(Refused, match="stands") as caught:
        client.sign(a_csr())
    refusal = caught.value
    assert (refusal.reason, refusal.status) == ("REGISTRATION_ID_TAKEN", "ALREADY_EXISTS")
    assert (refusal.action, refusal.field) == ("fix_device", "csr")
    assert refusal.metadata == {"serial_number": "0a"}
    assert refusal.retry_after is None
    assert "device" in refusal.advice
    assert len(service.requests) == 1


def test_reason_of_a_newer_server_survives(client: Client, service: FakeService) -> None:
    """A reason that this version does not know keeps its name and action."""
    service.script(refuse("MOON_IN_WRONG_PHASE", "FAILED_PRECONDITION", "ask_planner"))
    with pytest.raises(Refused) as caught:
        client.sign(a_csr())
    assert (caught.value.reason, caught.value.action) == ("MOON_IN_WRONG_PHASE", "ask_planner")


def test_action_follows_from_a_known_reason(client: Client, service: FakeService) -> None:
    """Without an action in the metadata, the contract's own for the reason holds."""
    service.script(refuse("WORK_ORDER_CLOSED", "FAILED_PRECONDITION", None))
    with pytest.raises(Refused) as caught:
        client.sign(a_csr())
    assert caught.value.action == "ask_planner"


def test_details_of_another_domain_are_not_ours(client: Client, service: FakeService) -> None:
    """What a proxy says about itself is not taken for the service's reason."""
    service.script(refuse("QUOTA", "PERMISSION_DENIED", "retry", domain="proxy.example"))
    with pytest.raises(Refused) as caught:
        client.sign(a_csr())
    assert (caught.value.reason, caught.value.action) == ("", "call_operator")


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b""])
def test_unreadable_details_leave_the_status(client: Client, service: FakeService, details: bytes) -> None:
    """Details that are no google.rpc.Status do not hide the status and its message."""
    service.script(fail("INTERNAL", "broken", details))
    with pytest.raises(Refused, match="broken") as caught:
        client.sign(a_csr())
    assert (caught.value.status, caught.value.action) == ("INTERNAL", "")
    assert "fault of the service" in caught.value.advice


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED"])
def test_lost_answer_is_asked_for_again(client: Client, service: FakeService, status: str) -> None:
    """When the answer is lost after issuing, the repeat has the same request_id and gives the same certificate."""
    service.script(lose_answer(status))
    device = client.sign(a_csr())
    first, second = service.requests
    assert first.request_id == second.request_id == device.request_id
    assert device.replayed
    assert len(service.issued) == 1


def test_overloaded_service_is_asked_again(client: Client, service: FakeService) -> None:
    """UNAVAILABLE with RetryInfo is sent again."""
    service.script(*[refuse("OVERLOADED", "UNAVAILABLE", "retry", retry_after=0.05)] * 3)
    client.sign(a_csr())
    assert len({request.request_id for request in service.requests}) == 1
    assert len(service.requests) == 4


def test_limit_is_waited_for_when_it_fits(client: Client, service: FakeService) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo inside the deadline is sent again."""
    service.script(refuse("STATION_LIMIT_REACHED", "RESOURCE_EXHAUSTED", "retry", retry_after=0.05))
    client.sign(a_csr())
    assert len(service.requests) == 2


def test_limit_beyond_the_deadline_is_the_answer(client: Client, service: FakeService) -> None:
    """RESOURCE_EXHAUSTED whose RetryInfo exceeds the deadline is raised at once with its delay."""
    service.script(refuse("STATION_LIMIT_REACHED", "RESOURCE_EXHAUSTED", "retry", retry_after=3600))
    with pytest.raises(Refused) as caught:
        client.sign(a_csr())
    assert caught.value.retry_after == 3600
    assert "3600 seconds" in caught.value.advice
    assert len(service.requests) == 1


def test_exhausted_without_delay_is_the_answer(client: Client, service: FakeService) -> None:
    """RESOURCE_EXHAUSTED without RetryInfo, as for a message over the limit, is not sent again."""
    service.script(fail("RESOURCE_EXHAUSTED"))
    with pytest.raises(Refused):
        client.sign(a_csr())
    assert len(service.requests) == 1


def test_giving_up_carries_the_last_refusal(client: Client, service: FakeService) -> None:
    """At the deadline the last refusal is told, with the request_id to send again."""
    service.script(*[refuse("CLOCK_UNTRUSTED", "UNAVAILABLE", "call_operator", message="clock stepped")] * 100)
    request_id = str(uuid.uuid4())
    with pytest.raises(Unavailable, match="clock stepped") as caught:
        client.sign(a_csr(), request_id=request_id, deadline=0.5)
    assert caught.value.last.reason == "CLOCK_UNTRUSTED"
    assert caught.value.action == "call_operator"
    assert request_id in caught.value.advice
    assert len(service.requests) > 1


def test_hanging_service_ends_at_the_deadline(client: Client, service: FakeService) -> None:
    """No answer before the deadline is an error of its own that names the request_id to send again."""
    service.script(*[hang] * 4)
    request_id = str(uuid.uuid4())
    with pytest.raises(DeadlineExceeded) as caught:
        client.sign(a_csr(), request_id=request_id, deadline=0.4)
    assert caught.value.request_id == request_id
    assert request_id in caught.value.advice


def test_hanging_server_leaves_time_for_another(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """One attempt does not use up the deadline: a repeat goes to the next server and is answered there."""
    with FakeService(pki.server, pki.station_ca) as second:
        folder = write_client_folder(tmp_path / "two", [service.address, second.address], pki.station, pki.server_ca)
        service.script(hang)
        with Client.from_folder(folder) as client:
            client.sign(a_csr(), deadline=10.5)
        assert service.requests[0].request_id == second.requests[0].request_id


def test_calls_go_round_the_servers(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """With several addresses, calls alternate between them."""
    with FakeService(pki.server, pki.station_ca) as second:
        folder = write_client_folder(tmp_path / "two", [service.address, second.address], pki.station, pki.server_ca)
        with Client.from_folder(folder) as client:
            for number in range(4):
                client.sign(a_csr(f"device-{number}"))
        assert (len(service.requests), len(second.requests)) == (2, 2)


def test_server_that_is_down_is_passed_over(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A server that cannot be reached costs a retry, not the call."""
    with FakeService(pki.server, pki.station_ca) as gone:
        pass
    folder = write_client_folder(tmp_path / "two", [gone.address, service.address], pki.station, pki.server_ca)
    with Client.from_folder(folder) as client:
        assert client.issuers().station == "ict-07"


def test_no_server_is_unavailable_not_tls(pki: Pki, tmp_path: Path) -> None:
    """A server that is down is told as such and blames no certificate."""
    with FakeService(pki.server, pki.station_ca) as gone:
        pass
    folder = write_client_folder(tmp_path / "gone", [gone.address], pki.station, pki.server_ca)
    with Client.from_folder(folder) as client, pytest.raises(Unavailable) as caught:
        client.issuers(deadline=0.5)
    assert caught.value.last.status == "UNAVAILABLE"
    assert caught.value.request_id is None
