"""Build, sign, verify: from a plan to a certificate that may be recorded."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from linecert_service.csr.der import CONTEXT_0, CONTEXT_3, INTEGER, SEQUENCE, DerError, Reader
from linecert_service.domain.errors import Refused, SignatureUnusable, SignerBusy, SignerUnavailable
from linecert_service.domain.ports import Meter
from linecert_service.domain.requests import Claim, DeviceCsr, SignedCertificate
from linecert_service.issuance import template
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.issuance.template import KEY_IDENTIFIER_OCTETS, SERIAL_OCTETS

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
    serial = new_serial().to_bytes(SERIAL_OCTETS, "big")
    issuer, claim = plan.profile.issuer, plan.claim
    key_identifier = template.key_identifier(plan.csr.spki)
    tbs = plan.profile.template(plan.csr.key_type).fill(
        serial=serial,
        not_before=claim.not_before,
        not_after=claim.not_after,
        common_name=claim.registration_id,
        spki=plan.csr.spki,
        key_identifier=key_identifier,
    )
    started = perf_counter()
    der = template.certificate(tbs, issuer.algorithm, _sign(issuer, tbs, meter))
    signed = perf_counter()
    meter.stage_done("sign", signed - started)
    fault = _fault(der, plan, serial, key_identifier)
    issuer.note_fault(fault)
    if fault:
        raise SignatureUnusable(fault, serial)
    meter.stage_done("verify", perf_counter() - signed)
    return SignedCertificate(claim, serial, der, hashlib.sha256(der).digest())


def _sign(issuer: Issuer, tbs: bytes, meter: Meter) -> bytes:
    try:
        signature = issuer.sign(tbs)
    except SignerBusy as busy:
        meter.signature_requested("throttled" if busy.throttled else "unreachable")
        raise
    except Refused:
        meter.signature_requested("error")
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        meter.signature_requested("error")
        raise SignerUnavailable(f"issuer {issuer.name} cannot sign; call the operator") from error
    meter.signature_requested("ok")
    return signature


def _fault(der: bytes, plan: Plan, serial: bytes, key_identifier: bytes) -> str | None:
    """What is wrong with a certificate that was signed: read anew from the octets that are to leave."""
    name = plan.profile.issuer.name
    try:
        made = x509.load_der_x509_certificate(der)
        if not plan.profile.issuer.has_signed(made.tbs_certificate_bytes, made.signature):
            return f"what issuer {name} signed does not verify; call the operator"
        as_planned = _facts(made) == (
            x509.Version.v3,
            int.from_bytes(serial, "big"),
            [plan.claim.registration_id],
            plan.claim.not_before,
            plan.claim.not_after,
        ) and _slices(made) == (plan.profile.issuer.subject, plan.csr.spki, key_identifier)
    # The library decodes late: what it cannot read was not planned.
    except (ValueError, TypeError, UnsupportedAlgorithm, DerError):
        as_planned = False
    return None if as_planned else f"issuer {name} signed another certificate than planned; call the operator"


def _facts(made: x509.Certificate) -> tuple[object, ...]:
    """What the library reads."""
    return (
        made.version,
        made.serial_number,
        [attribute.value for attribute in made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)],
        made.not_valid_before_utc.timestamp(),
        made.not_valid_after_utc.timestamp(),
    )


def _slices(made: x509.Certificate) -> tuple[bytes, bytes, bytes]:
    """Issuer, SubjectPublicKeyInfo and subject key identifier, octet for octet."""
    fields = Reader(Reader(made.tbs_certificate_bytes).content(SEQUENCE))
    for tag in (CONTEXT_0, INTEGER, SEQUENCE):
        fields.element(tag)
    issuer = fields.element(SEQUENCE)
    fields.element(SEQUENCE)
    fields.element(SEQUENCE)
    spki = fields.element(SEQUENCE)
    # It is the last extension, and its octets are the last of all.
    return issuer, spki, fields.element(CONTEXT_3)[-KEY_IDENTIFIER_OCTETS:]
