"""Who may call: over real TLS, with every certificate that must not work."""

from datetime import timedelta

import pytest
import structlog.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from google.protobuf import descriptor_pb2, descriptor_pool

from linecert import contract
from linecert.v1.audit_pb2 import GetCheckpointRequest, GetInclusionProofRequest
from linecert.v1.signing_pb2 import GetIssuersRequest
from linecert_service.domain.errors import ConfigurationError
from support import audit_log, csrs
from support.clocks import SettableClock
from support.credentials import another_ca, issue, of_authority, of_device
from support.installations import NAME, Installation
from support.server import AUDITOR, PLANNER, STATION, Caller, Credential, Running, ask, chain_pem, refused, serving


async def shut_out(server: Running, credential: Credential | None) -> None:
    """Hold the server to ending the handshake."""
    refusal = await refused(server.stranger(credential).sign(ask()))
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "")
    assert audit_log.verified(server.installation).certificates == []


async def test_a_caller_is_who_its_certificate_says(server: Running) -> None:
    """Name and line come from the certificate and stations.toml."""
    answers = {name: await server.caller(name).signing.GetIssuers(GetIssuersRequest()) for name in (STATION, AUDITOR)}
    assert (answers[STATION].station, answers[STATION].line) == (STATION, "line-01")
    assert (answers[AUDITOR].station, answers[AUDITOR].line) == (AUDITOR, "")


async def test_another_certificate_of_the_same_identity_works(server: Running) -> None:
    """A station's next certificate needs no change in stations.toml."""
    credential = issue(server.installation.station_ca(), name="renewed")
    assert (await server.stranger(credential).sign(ask())).issued.station == STATION


async def test_no_certificate(server: Running) -> None:
    """The handshake fails."""
    await shut_out(server, None)


async def test_an_expired_certificate(server: Running) -> None:
    """The handshake fails."""
    await shut_out(server, issue(server.installation.station_ca(), lifetime=-timedelta(minutes=1)))


async def test_a_certificate_of_another_ca(server: Running) -> None:
    """The handshake fails, also where that CA has the station CA's name."""
    await shut_out(server, issue(another_ca()))
    name = server.installation.station_ca().certificate.subject.rfc4514_string().removeprefix("CN=")
    await shut_out(server, issue(another_ca(name)))


async def test_a_self_signed_certificate_with_a_known_name(server: Running) -> None:
    """The handshake fails."""
    await shut_out(server, of_authority(another_ca(STATION)))


async def test_a_device_certificate_with_a_stations_name(server: Running, station: Caller) -> None:
    """A device certificate of this service is no client certificate here, alone or with its whole chain."""
    key = csrs.key("P-256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    response = await station.sign(ask(STATION, key=key))
    alone = x509.load_der_x509_certificate(response.issued.certificate).public_bytes(Encoding.PEM)
    for chain in (alone, chain_pem(response)):
        refusal = await refused(server.stranger(of_device(key, chain)).sign(ask("device-02")))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "")
    assert len(audit_log.verified(server.installation).certificates) == 1


async def test_an_issuer_of_devices_is_no_caller(server: Running) -> None:
    """Neither the root with its key, which could sign any name, ..."""
    await shut_out(server, of_authority(server.installation.root()))


async def test_a_server_does_not_start_with_the_root_among_the_client_cas(installation: Installation) -> None:
    """... nor may the client CA file hold it: `serve` refuses to start, and says what to do."""
    with (installation.layout.pki / "station-ca.pem").open("ab") as file:
        file.write(installation.chain()[-1].public_bytes(Encoding.PEM))
    with pytest.raises(ConfigurationError, match=r"client_ca|station-ca\.pem"):
        async with serving(installation):
            pass


async def test_the_station_ca_itself_is_no_caller(server: Running) -> None:
    """TLS or the identity check refuses its certificate."""
    refusal = await refused(server.stranger(of_authority(server.installation.station_ca())).sign(ask()))
    assert (refusal.status, refusal.reason) in {("UNAVAILABLE", ""), ("PERMISSION_DENIED", "CALLER_UNKNOWN")}


async def test_an_identity_that_is_not_listed(server: Running) -> None:
    """A certificate of the right CA is not enough; the name that it shows is not echoed."""
    credential = issue(server.installation.station_ca(), uri=f"urn:linecert:{NAME}:station:swordfish")
    refusal = await refused(server.stranger(credential).sign(ask()))
    assert (refusal.status, refusal.reason, refusal.action) == ("PERMISSION_DENIED", "CALLER_UNKNOWN", "call_operator")
    assert "swordfish" not in refusal.message


async def test_the_log_says_who_was_not_known(server: Running) -> None:
    """An operator finds the machine and what its certificate says, which the caller is not told."""
    uri = f"urn:linecert:{NAME}:station:swordfish"
    credential = issue(server.installation.station_ca(), uri=uri)
    certificate = x509.load_pem_x509_certificate(credential.certificate)
    with structlog.testing.capture_logs() as logs:
        await refused(server.stranger(credential).sign(ask()))
    (line,) = (line for line in logs if line["event"] == "rejected")
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["certificate_uris"] == [uri]
    assert line["certificate_serial"] == f"{certificate.serial_number:x}"
    assert line["certificate_sha256"] == certificate.fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize("name", [STATION, f"urn:linecert:{NAME}:station:{STATION}"])
async def test_only_the_listed_kind_of_identity_counts(server: Running, name: str) -> None:
    """A common name that is a station's name, or its URI, is none of its identity."""
    credential = issue(server.installation.station_ca(), name=name, uri="urn:other")
    assert (await refused(server.stranger(credential).sign(ask()))).reason == "CALLER_UNKNOWN"


async def test_a_certificate_that_expires_on_an_open_connection(installation: Installation) -> None:
    """Expiry is checked on every call: the connection that worked a moment ago is refused."""
    clock = SettableClock()
    async with serving(installation, clock) as server:
        station = server.stranger(issue(installation.station_ca(), lifetime=timedelta(days=1)))
        await station.sign(ask())
        clock.passed = timedelta(days=2).total_seconds()
        refusal = await refused(station.sign(ask("device-02")))
        assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "CALLER_CERTIFICATE_EXPIRED")
        assert (await server.caller().sign(ask("device-02"))).issued.station == STATION


async def test_a_revoked_certificate(installation: Installation) -> None:
    """Its serial number in `revoked_serials` ends it; the station's next certificate works."""
    serial = f"{installation.peer(STATION).serial:x}"
    revoked = f'roles = ["station"]\nrevoked_serials = ["{serial}"]'
    installation.edit('roles = ["station"]', revoked, file="stations.toml")
    async with serving(installation) as server:
        refusal = await refused(server.caller().sign(ask()))
        assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "CALLER_CERTIFICATE_REVOKED")
        assert (await server.stranger(issue(installation.station_ca())).sign(ask())).issued.station == STATION


@pytest.mark.parametrize("setting", ["enabled = false", "valid_until = 2020-01-01"])
async def test_a_disabled_station(installation: Installation, setting: str) -> None:
    """`enabled = false`, or a `valid_until` that has passed."""
    installation.edit('roles = ["station"]', f'roles = ["station"]\n{setting}', file="stations.toml")
    async with serving(installation) as server:
        refusal = await refused(server.caller().sign(ask()))
    assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "CALLER_DISABLED")


async def test_the_callers_own_key_is_no_devices(server: Running) -> None:
    """Nor is that of another caller, of a CA, of the server or of the log: PUBLIC_KEY_TAKEN, without metadata."""
    installation = server.installation
    keys = [installation.layout.client(name) / "key.pem" for name in (STATION, AUDITOR)]
    keys += [
        installation.layout.root_key,
        installation.layout.station_ca_key,
        installation.layout.pki / "server.key.pem",
    ]
    own = issue(installation.station_ca())
    station = server.stranger(own)
    for pem in (own.key, *(path.read_bytes() for path in keys)):
        refusal = await refused(station.sign(ask(key=_private_key(pem))))
        assert (refusal.status, refusal.reason, refusal.metadata) == ("ALREADY_EXISTS", "PUBLIC_KEY_TAKEN", ())
    assert audit_log.verified(installation).certificates == []


async def test_the_key_of_another_caller_is_no_devices(server: Running) -> None:
    """Also one that no file of the installation names, such as of a company's own CA, once that caller has called."""
    other, own = issue(server.installation.station_ca()), issue(server.installation.station_ca())
    await server.stranger(other).signing.GetIssuers(GetIssuersRequest())
    refusal = await refused(server.stranger(own).sign(ask(key=_private_key(other.key))))
    assert (refusal.status, refusal.reason, refusal.metadata) == ("ALREADY_EXISTS", "PUBLIC_KEY_TAKEN", ())


def _private_key(pem: bytes) -> csrs.PrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


async def test_roles_are_held_on_every_method(server: Running) -> None:
    """A planner and an auditor sign nothing, and the log is no planner's; the message says which role it takes."""
    calls = (
        server.caller(PLANNER).sign(ask()),
        server.caller(AUDITOR).sign(ask()),
        server.caller(PLANNER).audit.GetCheckpoint(GetCheckpointRequest()),
        server.caller(PLANNER).audit.GetInclusionProof(GetInclusionProofRequest(log_index=0)),
    )
    for call in calls:
        refusal = await refused(call)
        assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "ROLE_MISSING")
        assert "station" in refusal.message
    assert audit_log.verified(server.installation).certificates == []


async def test_the_role_comes_before_the_request_is_read(server: Running) -> None:
    """Who may not call learns nothing of what a request should look like."""
    raw = server.caller(PLANNER).channel.unary_unary("/linecert.v1.SigningService/SignDevice")
    assert (await refused(raw(b"\xff"))).reason == "ROLE_MISSING"


def test_a_method_that_names_no_roles_has_none() -> None:
    """Read from a descriptor as the contract might grow one: the method does not say who may call it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/no_roles.proto", package="tests", dependency=["linecert/v1/signing.proto"], syntax="proto3"
    )
    kinds = {"input_type": ".linecert.v1.GetIssuersRequest", "output_type": ".linecert.v1.GetIssuersResponse"}
    file.service.add(name="NoRoles").method.add(name="Forgotten", **kinds)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    assert contract.roles_of(pool.FindServiceByName("tests.NoRoles").methods[0]) == frozenset()


async def test_a_method_without_roles_is_refused_to_everybody(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that the contract forgot is open to nobody, although it is built."""
    monkeypatch.setattr(contract, "roles_of", lambda _method: frozenset())
    async with serving(installation) as server:
        for name in (STATION, AUDITOR, PLANNER):
            call = server.caller(name).signing.GetIssuers(GetIssuersRequest())
            assert (await refused(call)).reason == "ROLE_MISSING"
