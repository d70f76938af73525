"""Why a public key is not allowed: read only when it is not, and in words for the person who made the CSR."""

from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.der import BIT_STRING, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, DerError, Reader
from linecert_service.csr.object_identifiers import CURVES, EC_PUBLIC_KEY, KEY_ALGORITHMS, RSA_ENCRYPTION
from linecert_service.csr.refusals import refused
from linecert_service.domain.errors import Refused

_REMEDY: Final = "make an EC key on P-256 or P-384, or an RSA key of 2048, 3072 or 4096 bits with exponent 65537"
_ALLOWED_BITS: Final = (2048, 3072, 4096)
_EXPONENT: Final = 65537
_COMPRESSED: Final = (2, 3)
_HYBRID: Final = (6, 7)


def refusal(spki: bytes) -> Refused:
    """The refusal of a SubjectPublicKeyInfo that is on no allow-list.

    Returns:
        CSR_MALFORMED when it has not the form of RFC 5280, section 4.1; else PUBLIC_KEY_NOT_ALLOWED.
    """
    try:
        parts = Reader(Reader(spki).content(SEQUENCE))
        algorithm = Reader(parts.content(SEQUENCE))
        identifier = algorithm.content(OBJECT_IDENTIFIER)
        bits = parts.content(BIT_STRING)
        parts.finish()
    except DerError:
        return refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the CSR's SubjectPublicKeyInfo is not DER of the form of RFC 5280: make the CSR again",
        )
    return refused(reasons.ERROR_REASON_PUBLIC_KEY_NOT_ALLOWED, f"{_problem(identifier, algorithm, bits)}: {_REMEDY}")


def _problem(identifier: bytes, parameters: Reader, bits: bytes) -> str:
    if identifier == RSA_ENCRYPTION:
        return _rsa_problem(bits)
    if identifier == EC_PUBLIC_KEY:
        return _ec_problem(parameters, bits)
    name = KEY_ALGORITHMS.get(identifier)
    return f"the CSR's key is {name}" if name else "the CSR's key is of an algorithm that is not known here"


def _rsa_problem(bits: bytes) -> str:
    try:
        numbers = Reader(Reader(bits[1:]).content(SEQUENCE))
        modulus = int.from_bytes(numbers.content(INTEGER), "big", signed=True)
        exponent = int.from_bytes(numbers.content(INTEGER), "big", signed=True)
    except DerError:
        return "the CSR's RSA key is not encoded as RFC 8017 says"
    if modulus <= 0:
        return "the CSR's RSA modulus is not positive"
    if modulus.bit_length() not in _ALLOWED_BITS:
        return f"the CSR's RSA key has {modulus.bit_length()} bits"
    if exponent != _EXPONENT:
        return "the CSR's RSA key has another exponent than 65537"
    return "the CSR's RSA key is not encoded as RFC 3279 says (rsaEncryption with NULL, and minimal numbers)"


def _ec_problem(parameters: Reader, bits: bytes) -> str:
    try:
        curve = parameters.content(OBJECT_IDENTIFIER)
    except DerError:
        return "the CSR's EC key does not name its curve, as RFC 5480 says, but spells it out or leaves it open"
    name = CURVES.get(curve)
    if name not in {"P-256", "P-384"}:
        return f"the CSR's EC key is on {name}" if name else "the CSR's EC key is on a curve that is not known here"
    form = bits[1] if len(bits) > 1 else 0
    if form in _COMPRESSED:
        return f"the CSR's {name} key is written as a compressed point, not as an uncompressed one"
    if form in _HYBRID:
        return f"the CSR's {name} key is written as a hybrid point, not as an uncompressed one"
    return f"the CSR's {name} key is not written as an uncompressed point (RFC 5480)"
