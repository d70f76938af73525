"""The signed part of a certificate, octet for octet what the library's own builder makes."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from linecert_service.csr.checker import CsrChecker
from linecert_service.issuance.template import certificate, key_identifier
from support import csrs
from support.claims import NOW
from support.issuing import ca_key, issuer, profile

SERIAL = (1 << 158 | 5).to_bytes(20, "big")
END_OF_TIME = 253_402_300_799


def spki_of(key_type: str) -> bytes:
    """The key of a device."""
    return CsrChecker().check(csrs.make(key=csrs.key(key_type))).spki


def built(kind: str, key_type: str, *, not_after: int, common_name: str) -> x509.Certificate:
    """What the library's builder makes."""
    of, spki = issuer(kind), spki_of(key_type)
    public_key = load_der_public_key(spki)
    rsa = key_type.startswith("RSA")
    usage = dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign"), False)
    rest = dict.fromkeys(("crl_sign", "encipher_only", "decipher_only"), False)
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso \u00e4"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    return (
        x509.CertificateBuilder()
        .issuer_name(of.certificate.subject)
        .subject_name(x509.Name(attributes))
        .public_key(public_key)  # type: ignore[arg-type]  # RSA or EC
        .serial_number(int.from_bytes(SERIAL, "big"))
        .not_valid_before(dt.datetime.fromtimestamp(NOW, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(not_after, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=rsa, **usage, **rest), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of.key_identifier), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)  # type: ignore[arg-type]
        .sign(ca_key(kind), hashes.SHA384() if kind == "P-384" else hashes.SHA256())
    )


def filled(kind: str, key_type: str, *, not_after: int, common_name: str) -> bytes:
    """What the template makes."""
    spki = spki_of(key_type)
    template = profile(issuer(kind), subject={"C": "DE", "O": "Contoso \u00e4"}).template(key_type)
    return template.fill(
        serial=SERIAL,
        not_before=NOW,
        not_after=not_after,
        common_name=common_name,
        spki=spki,
        key_identifier=key_identifier(spki),
    )


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048"])
@pytest.mark.parametrize("key_type", csrs.ACCEPTED_KEY_TYPES)
def test_template_makes_what_the_builder_makes(kind: str, key_type: str) -> None:
    """For every kind of issuer and device key."""
    oracle = built(kind, key_type, not_after=NOW + 1_000, common_name="Device-01")
    assert filled(kind, key_type, not_after=NOW + 1_000, common_name="Device-01") == oracle.tbs_certificate_bytes
    made = certificate(oracle.tbs_certificate_bytes, issuer(kind).algorithm, oracle.signature)
    assert x509.load_der_x509_certificate(made) == oracle


@given(st.integers(NOW, END_OF_TIME), st.from_regex(r"[A-Za-z0-9._:-]{0,63}[A-Za-z0-9-]", fullmatch=True))
def test_any_end_and_any_name(not_after: int, common_name: str) -> None:
    """UTCTime up to 2049 and GeneralizedTime from 2050 on, names of every length."""
    oracle = built("P-256", "P-256", not_after=not_after, common_name=common_name)
    assert filled("P-256", "P-256", not_after=not_after, common_name=common_name) == oracle.tbs_certificate_bytes


def test_issuer_name_keeps_its_octets() -> None:
    """A name in an old string type chains octet for octet, which some verifiers need."""
    of = issuer()
    assert of.subject in of.certificate.tbs_certificate_bytes
