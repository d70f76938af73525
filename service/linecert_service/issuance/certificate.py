"""Build, sign, verify: from a plan to a certificate that may be recorded."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from linecert_service.domain.errors import Refused, SignatureUnusable, SignerUnavailable
from linecert_service.domain.ports import Meter
from linecert_service.domain.requests import Claim, DeviceCsr, SignedCertificate
from linecert_service.issuance.profile import Profile

SERIAL_OCTETS: Final = 20

RandomBits = Callable[[int], int]
"""Gives that many random bits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A certificate that may be made: every check that needs no store has passed.

    Attributes:
        claim: what it is made for.
        profile: how it looks.
        csr: the device's.
    """

    claim: Claim
    profile: Profile
    csr: DeviceCsr


def new_serial(random_bits: RandomBits = secrets.randbits) -> int:
    """A serial number of 20 octets: top bit 0, next bit 1, 158 random bits.

    Positive, as RFC 5280 (section 4.1.2.2) wants it, and always of one length in DER.
    """
    return 1 << 158 | random_bits(158)


def make(plan: Plan, meter: Meter) -> SignedCertificate:
    """Build the certificate of `plan`, sign it, and check what came back.

    Raises:
        SignerUnavailable: the key could not sign.
        SignatureUnusable: what it signed does not verify, or is not what was planned.
    """
    serial = new_serial()
    builder, extensions = _build(plan, serial)
    started = perf_counter()
    certificate = _sign(plan, builder, meter)
    signed = perf_counter()
    meter.stage_done("sign", signed - started)
    octets = serial.to_bytes(SERIAL_OCTETS, "big")
    # Read anew from the octets that leave, not from what the builder remembers.
    der = certificate.public_bytes(Encoding.DER)
    fault = _fault(x509.load_der_x509_certificate(der), plan, serial, extensions)
    plan.profile.issuer.note_fault(fault)
    if fault:
        raise SignatureUnusable(fault, octets)
    meter.stage_done("verify", perf_counter() - signed)
    return SignedCertificate(
        claim=plan.claim,
        serial=octets,
        certificate=der,
        certificate_sha256=hashlib.sha256(der).digest(),
    )


_Extensions = list[x509.Extension[x509.ExtensionType]]


def _build(plan: Plan, serial: int) -> tuple[x509.CertificateBuilder, _Extensions]:
    public_key = cast("RSAPublicKey | EllipticCurvePublicKey", load_der_public_key(plan.csr.spki))
    rsa = isinstance(public_key, RSAPublicKey)
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    builder = (
        plan.profile.builder(rsa=rsa)
        .subject_name(plan.profile.subject(plan.claim.registration_id))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(datetime.fromtimestamp(plan.claim.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(plan.claim.not_after, UTC))
        .add_extension(key_identifier, critical=False)
    )
    return builder, plan.profile.extensions(key_identifier, rsa=rsa)


def _sign(plan: Plan, builder: x509.CertificateBuilder, meter: Meter) -> x509.Certificate:
    issuer = plan.profile.issuer
    try:
        certificate = builder.sign(issuer.signer.private_key, issuer.hash)
    except Refused:
        meter.signature_requested("error")
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        meter.signature_requested("error")
        raise SignerUnavailable(f"issuer {issuer.name} cannot sign; call the operator") from error
    meter.signature_requested("ok")
    return certificate


def _fault(made: x509.Certificate, plan: Plan, serial: int, extensions: _Extensions) -> str | None:
    """What is wrong with a certificate that was signed."""
    issuer = plan.profile.issuer
    if not issuer.has_signed(made):
        return f"what issuer {issuer.name} signed does not verify; call the operator"
    if not _as_planned(made, plan, serial, extensions):
        return f"issuer {issuer.name} signed another certificate than planned; call the operator"
    return None


def _as_planned(made: x509.Certificate, plan: Plan, serial: int, extensions: _Extensions) -> bool:
    claim = plan.claim
    return (
        made.version == x509.Version.v3
        and made.serial_number == serial
        and made.issuer == plan.profile.issuer.certificate.subject
        and made.subject == plan.profile.subject(claim.registration_id)
        and made.not_valid_before_utc.timestamp() == claim.not_before
        and made.not_valid_after_utc.timestamp() == claim.not_after
        and made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == plan.csr.spki
        and list(made.extensions) == extensions
    )
