"""The parts of a CertificationRequest (RFC 2986, section 4), as the bytes that stand in it.

CertificationRequest ::= SEQUENCE {
    certificationRequestInfo SEQUENCE { version 0, subject Name, subjectPKInfo, attributes [0] },
    signatureAlgorithm       AlgorithmIdentifier,
    signature                BIT STRING }
"""

from dataclasses import dataclass
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.der import (
    BIT_STRING,
    CONTEXT_0,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Reader,
)
from linecert_service.csr.refusals import refused
from linecert_service.domain.errors import Refused

_VERSION_1: Final = b"\x00"
"""v1 is written as 0; there is no other."""


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """What a CSR consists of. All but `signature` with tag and length.

    Attributes:
        info: the CertificationRequestInfo, which is what the signature covers.
        subject: the Name.
        spki: the SubjectPublicKeyInfo.
        signature_algorithm: the AlgorithmIdentifier.
        signature: the octets of the signature.
    """

    info: bytes
    subject: bytes
    spki: bytes
    signature_algorithm: bytes
    signature: bytes


def parse(der: bytes) -> CertificationRequest:
    """Take `der` apart, one level deep: what is in the parts is for others to judge.

    Raises:
        Refused: CSR_MALFORMED, or CSR_NOT_ALONE when this is a private key.
    """
    try:
        return _parse(der)
    except DerError:
        raise _no_request(der) from None


def _parse(der: bytes) -> CertificationRequest:
    request = Reader(Reader(der).content(SEQUENCE))
    info = request.element(SEQUENCE)
    parts = Reader(Reader(info).content(SEQUENCE))
    if parts.content(INTEGER) != _VERSION_1:
        raise DerError("another version")
    subject = parts.element(SEQUENCE)
    spki = parts.element(SEQUENCE)
    parts.element(CONTEXT_0)
    parts.finish()
    algorithm = request.element(SEQUENCE)
    bits = request.content(BIT_STRING)
    request.finish()
    if bits[:1] != b"\x00":
        raise DerError("a signature that is not whole octets")
    return CertificationRequest(info, subject, spki, algorithm, bits[1:])


def _no_request(der: bytes) -> Refused:
    """What `der`, which is no CertificationRequest, seems to be instead."""
    try:
        if _is_private_key(der):
            return refused(
                reasons.ERROR_REASON_CSR_NOT_ALONE,
                "this is a private key or a key store, not a CSR; it was neither kept nor logged, but it has left its"
                " device: make a new key, and send its CSR",
            )
        if _is_certificate(der):
            return refused(
                reasons.ERROR_REASON_CSR_MALFORMED, "this is a certificate, not a CSR: send the PKCS#10 request"
            )
    except DerError:
        pass
    return refused(
        reasons.ERROR_REASON_CSR_MALFORMED,
        "the CSR is no PKCS#10 request of version 1 (RFC 2986) in DER: check it with `openssl req -in FILE -verify`",
    )


def _is_private_key(der: bytes) -> bool:
    """PKCS#1, SEC 1, PKCS#8 and PKCS#12 begin with a small version, an encrypted PKCS#8 key with its algorithm."""
    parts = Reader(Reader(der).content(SEQUENCE))
    if parts.tag() == INTEGER:
        return len(parts.content(INTEGER)) == 1
    parts.element(SEQUENCE)
    return parts.tag() == OCTET_STRING


def _is_certificate(der: bytes) -> bool:
    """The first part of a certificate of version 3 begins with its version, in `[0]`."""
    return Reader(Reader(Reader(der).content(SEQUENCE)).content(SEQUENCE)).tag() == CONTEXT_0
