"""A leaf compared with the certificate that it speaks of."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from linecert.transparency import LeafError, certificate_leaf, check_leaf_against_certificate, event_leaf, parse_leaf

NOT_BEFORE = datetime(2026, 7, 1, tzinfo=UTC)
NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def name_of(common_name: str) -> x509.Name:
    """A name with nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    issuer: str, key: ec.EllipticCurvePrivateKey, subject: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> bytes:
    """DER of a certificate as the service makes them, as far as a leaf speaks of it."""
    builder = x509.CertificateBuilder(
        issuer_name=name_of(issuer),
        subject_name=subject,
        public_key=public_key,
        serial_number=0x4F << 152 | 1,
        not_valid_before=NOT_BEFORE,
        not_valid_after=NOT_AFTER,
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Issued:
    """A certificate with its issuer's and its leaf."""

    issuer: bytes
    certificate: bytes
    leaf: dict[str, Any]


@pytest.fixture(scope="module")
def make() -> Callable[..., Issued]:
    """Makes a certificate, and a leaf that speaks of it save for the given changes of its arguments."""
    ca_key, device_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = issue("issuer", ca_key, name_of("issuer"), ca_key.public_key())

    def made(subject: x509.Name | None = None, **changes: object) -> Issued:
        certificate = issue(
            "issuer", ca_key, name_of("device-01") if subject is None else subject, device_key.public_key()
        )
        spki = device_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        arguments: dict[str, Any] = {
            "serial": (0x4F << 152 | 1).to_bytes(20),
            "registration_id": "device-01",
            "generation": 1,
            "replacement_reason": None,
            "replaces": None,
            "station": "ict-07",
            "line": "line-3",
            "request_id": "0b9a6f6e-6c0c-4a55-9f4e-0d6f2c6a4f11",
            "request_sha256": bytes(32),
            "work_order": None,
            "lot": None,
            "profile": "device",
            "attributes": None,
            "issuer_sha256": hashlib.sha256(issuer).digest(),
            "not_before": int(NOT_BEFORE.timestamp()),
            "not_after": int(NOT_AFTER.timestamp()),
            "issued_at": 1782864300000000,
            "csr_sha256": bytes(32),
            "spki_sha256": hashlib.sha256(spki).digest(),
            "certificate_sha256": hashlib.sha256(certificate).digest(),
        }
        return Issued(issuer, certificate, parse_leaf(certificate_leaf(**arguments | changes)))

    return made


def test_a_true_leaf_is_accepted(make: Callable[..., Issued]) -> None:
    """A leaf that says what the certificate says passes, with the issuer and without."""
    issued = make()
    certificate = check_leaf_against_certificate(issued.leaf, issued.certificate)
    assert certificate.subject == name_of("device-01")
    check_leaf_against_certificate(issued.leaf, issued.certificate, issued.issuer)


@pytest.mark.parametrize(
    "argument, value, field",
    [
        ("serial", bytes(20), "serial_number"),
        ("registration_id", "Device-01", "registration_id"),
        ("spki_sha256", bytes(32), "public_key_sha256"),
        ("certificate_sha256", bytes(32), "certificate_sha256"),
        ("not_before", int((NOT_BEFORE + timedelta(seconds=1)).timestamp()), "not_before"),
        ("not_after", int((NOT_AFTER - timedelta(seconds=1)).timestamp()), "not_after"),
    ],
)
def test_a_leaf_that_says_something_else_is_refused(
    make: Callable[..., Issued], argument: str, value: object, field: str
) -> None:
    """A leaf with the hash of the certificate and one fact that is not the certificate's is found out."""
    issued = make(**{argument: value})
    with pytest.raises(LeafError, match=f"the leaf's {field} is not that of the certificate"):
        check_leaf_against_certificate(issued.leaf, issued.certificate)


def test_another_issuer_is_refused(make: Callable[..., Issued]) -> None:
    """The issuer's certificate has to be the one whose hash is in the leaf."""
    issued = make(issuer_sha256=bytes(32))
    with pytest.raises(LeafError, match="issuer_certificate_sha256"):
        check_leaf_against_certificate(issued.leaf, issued.certificate, issued.issuer)


@pytest.mark.parametrize("name", ["issuer", "another"])
def test_an_issuer_that_did_not_sign_is_refused(make: Callable[..., Issued], name: str) -> None:
    """A certificate that the named issuer did not sign is found out, also when the issuer's name is the right one."""
    key = ec.generate_private_key(ec.SECP256R1())
    other = issue(name, key, name_of(name), key.public_key())
    issued = make(issuer_sha256=hashlib.sha256(other).digest())
    with pytest.raises(LeafError, match="not signed by the issuer"):
        check_leaf_against_certificate(issued.leaf, issued.certificate, other)


def test_an_issuer_that_cannot_be_read_is_refused(make: Callable[..., Issued]) -> None:
    """Bytes that are no certificate are no issuer, though their hash is in the leaf."""
    issued = make(issuer_sha256=hashlib.sha256(b"none").digest())
    with pytest.raises(LeafError, match="not signed by the issuer"):
        check_leaf_against_certificate(issued.leaf, issued.certificate, b"none")


@pytest.mark.parametrize("names", [[], ["device-01", "device-01"]])
def test_a_subject_without_exactly_one_common_name_is_refused(make: Callable[..., Issued], names: list[str]) -> None:
    """A certificate whose subject names no device, or two, belongs to no leaf."""
    issued = make(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]))
    with pytest.raises(LeafError, match="registration_id"):
        check_leaf_against_certificate(issued.leaf, issued.certificate)


def test_a_certificate_that_cannot_be_read_is_refused(make: Callable[..., Issued]) -> None:
    """Bytes that are no certificate, or have something behind them, belong to no leaf."""
    issued = make()
    for data in (b"", b"none", issued.certificate + b"\x00"):
        with pytest.raises(LeafError, match="cannot be read"):
            check_leaf_against_certificate(issued.leaf, data)


def test_an_event_is_about_no_certificate(make: Callable[..., Issued]) -> None:
    """A leaf of an event proves nothing about a certificate."""
    event = event_leaf(
        kind="discarded", at=0, serial=None, registration_key=None, station=None, actor=None, reason=None, detail=None
    )
    with pytest.raises(LeafError, match="only a leaf of type certificate/1"):
        check_leaf_against_certificate(parse_leaf(event), make().certificate)
