"""What a peer certificate says, and whose it is."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.installation.authorities import (
    Authority,
    Validity,
    distinguished_name,
    new_key,
    spki_sha256,
)
from linecert_service.policy.identity import Identity, PeerCertificate, StationCas
from support.installations import NAME, Installation

VALIDITY = Validity(datetime.now(UTC), timedelta(days=1))


def certificate_of(
    authority: Authority, *, names: list[x509.GeneralName] | None = None, common_names: tuple[str, ...] = ()
) -> x509.Certificate:
    """A client certificate with any names."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names]))
        .issuer_name(authority.certificate.subject)
        .public_key(new_key().public_key())
        .serial_number(7)
        .not_valid_before(VALIDITY.now)
        .not_valid_after(VALIDITY.now + VALIDITY.lifetime)
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.private_key, hashes.SHA256())


def parse(installation: Installation, certificate: x509.Certificate) -> PeerCertificate:
    """As the service reads what TLS accepted."""
    return PeerCertificate.parse(certificate.public_bytes(Encoding.PEM), installation.station_cas())


def test_a_peer_certificate_gives_everything_that_admission_needs(installation: Installation) -> None:
    """Issuer, identities, serial, validity and key come from the certificate that `init` made."""
    pem = (installation.layout.client("station-01") / "certificate.pem").read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    peer = installation.peer("station-01")
    ca = installation.station_cas().fingerprints[0]
    assert peer.ca == ca
    assert peer.serial == certificate.serial_number
    assert peer.not_before == certificate.not_valid_before_utc.timestamp()
    assert peer.not_after == certificate.not_valid_after_utc.timestamp()
    assert peer.spki_sha256 == spki_sha256(certificate.public_key())
    assert peer.sha256 == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert set(peer.identities) == {
        Identity(ca, "uri", f"urn:linecert:{NAME}:station:station-01"),
        Identity(ca, "cn", "station-01"),
        Identity(ca, "sha256", peer.sha256),
    }


def test_dns_names_are_read_in_lower_case(installation: Installation) -> None:
    """RFC 4343: DNS names have no case."""
    peer = parse(
        installation, certificate_of(installation.station_ca(), names=[x509.DNSName("ICT-07.Factory.example")])
    )
    assert Identity(peer.ca, "dns", "ict-07.factory.example") in peer.identities


def test_two_common_names_are_none(installation: Installation) -> None:
    """Which of two names would count is not for an attacker to choose."""
    peer = parse(installation, certificate_of(installation.station_ca(), common_names=("station-01", "x")))
    assert [identity.kind for identity in peer.identities] == ["sha256"]


def test_a_device_certificate_with_a_stations_name_is_unknown(installation: Installation) -> None:
    """Devices choose their names; only the station CA makes a caller, whatever the certificate says."""
    uri = f"urn:linecert:{NAME}:station:station-01"
    root = installation.root()
    issuer = root.intermediate(distinguished_name("issuer"), new_key(), VALIDITY)
    for authority in (root, issuer):
        device = certificate_of(authority, names=[x509.UniformResourceIdentifier(uri)], common_names=("station-01",))
        with pytest.raises(Refused) as caught:
            parse(installation, device)
        assert caught.value.reason == reasons.ERROR_REASON_CALLER_UNKNOWN


def test_a_ca_that_only_has_the_station_cas_name_is_unknown(installation: Installation) -> None:
    """The signature decides, not the issuer's name."""
    name = installation.station_ca().certificate.subject
    impostor = Authority.self_signed(name, new_key(), VALIDITY, path_length=0)
    with pytest.raises(Refused) as caught:
        parse(installation, certificate_of(impostor, common_names=("station-01",)))
    assert caught.value.reason == reasons.ERROR_REASON_CALLER_UNKNOWN


def test_the_right_one_of_several_station_cas_is_found(installation: Installation) -> None:
    """Each station belongs to the CA that signed it, also when CAs share a name."""
    first = installation.station_ca()
    second = Authority.self_signed(first.certificate.subject, new_key(), VALIDITY, path_length=0)
    cas = StationCas([first.certificate, second.certificate])
    pem = certificate_of(second, common_names=("x",)).public_bytes(Encoding.PEM)
    assert PeerCertificate.parse(pem, cas).ca == cas.fingerprints[1]


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_bytes_that_are_no_certificate_are_refused_and_not_an_internal_error(
    installation: Installation, pem: bytes
) -> None:
    """Whatever the transport hands over, the caller is unknown."""
    with pytest.raises(Refused) as caught:
        PeerCertificate.parse(pem, installation.station_cas())
    assert caught.value.reason == reasons.ERROR_REASON_CALLER_UNKNOWN


def test_names_that_cannot_be_read_are_refused_and_not_an_internal_error(installation: Installation) -> None:
    """The library decodes extensions late; a broken one is the caller's fault."""
    authority = installation.station_ca()
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x86\x01\xff")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(new_key().public_key())
        .serial_number(7)
        .not_valid_before(VALIDITY.now)
        .not_valid_after(VALIDITY.now + VALIDITY.lifetime)
        .add_extension(broken, critical=False)
    )
    with pytest.raises(Refused) as caught:
        parse(installation, builder.sign(authority.private_key, hashes.SHA256()))
    assert caught.value.reason == reasons.ERROR_REASON_CALLER_UNKNOWN


@pytest.mark.parametrize("content, message", [(None, "cannot be read"), (b"no PEM", "holds no PEM certificates")])
def test_a_client_ca_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """The message names the file."""
    path = tmp_path / "station-ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        StationCas.load(path)


def test_keys_of_any_type_are_hashed(installation: Installation) -> None:
    """Callers' certificates may come from a CA of the company's, with other keys than ours."""
    key: CertificatePublicKeyTypes = new_key("rsa-3072").public_key()
    station_ca = installation.station_ca()
    certificate = station_ca.client(distinguished_name("x"), key, "urn:x", VALIDITY)
    assert parse(installation, certificate).spki_sha256 == spki_sha256(key)
