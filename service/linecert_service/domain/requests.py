"""What a station asks for, and what of it the store needs to decide."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A SignDeviceRequest whose fields have the right form. Unset fields are None; nothing is defaulted yet.

    Attributes:
        request_id: the station's idempotency key, a canonical lower-case UUID.
        csr: PKCS#10 as sent, unread.
        registration_id: what the station believes it to be, unread.
        profile: the profile's name.
        work_order: the order that the device is made for.
        lot: the lot within it.
        attributes: what the station wants traced.
        validity: in whole seconds.
        replacement_reason: why the device gets another certificate: a name without prefix, such as `REWORK`.
        validate_only: run the checks and stop.
    """

    request_id: str
    csr: bytes
    registration_id: str | None
    profile: str | None
    work_order: str | None
    lot: str | None
    attributes: Mapping[str, str]
    validity: int | None
    replacement_reason: str | None
    validate_only: bool


@dataclass(frozen=True, slots=True)
class DeviceCsr:
    """What is taken from a CSR that passed every check: everything else in it is dropped.

    Attributes:
        registration_id: the subject common name, in the case that the device asked for.
        key_type: `P-256`, `P-384`, `RSA-2048`, `RSA-3072` or `RSA-4096`.
        spki: DER of the SubjectPublicKeyInfo.
        spki_sha256: its SHA-256.
        csr_sha256: SHA-256 of the DER of the whole CSR.
    """

    registration_id: str
    key_type: str
    spki: bytes
    spki_sha256: bytes
    csr_sha256: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What the store decides on: who asks which certificate for which device. Times in seconds since 1970, UTC.

    Attributes:
        station, line: the caller, from its certificate.
        request_id: its idempotency key.
        request_sha256: hash of what makes two requests the same (see `issuance.request_hash`).
        registration_id, registration_key: the device, as asked for and as compared.
        spki_sha256, csr_sha256: its key and its request.
        profile, work_order, lot, attributes: as recorded; attributes as RFC 8785 JSON.
        replacement_reason: name without prefix, such as `REWORK`; None for a first certificate.
        issuer_sha256: SHA-256 of the issuer's certificate.
        not_before, not_after: the planned validity.
    """

    station: str
    line: str
    request_id: str
    request_sha256: bytes
    registration_id: str
    registration_key: str
    spki_sha256: bytes
    csr_sha256: bytes
    profile: str
    work_order: str | None
    lot: str | None
    attributes: str | None
    replacement_reason: str | None
    issuer_sha256: bytes
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A certificate that was signed and verified, but is not recorded: it must not leave memory.

    Attributes:
        claim: what it was made for.
        serial: 20 octets, big-endian.
        certificate: DER.
        certificate_sha256: its SHA-256.
    """

    claim: Claim
    serial: bytes
    certificate: bytes
    certificate_sha256: bytes
