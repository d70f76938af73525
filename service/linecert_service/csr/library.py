"""What is asked of pyca/cryptography. Whatever it raises for hostile input ends here, in all its kinds.

It raises InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm, InvalidVersion and more, and a bug in its Rust
would show as pyo3's PanicException, which is no Exception: one that escaped would end the task that signs for all.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.refusals import refused


def can_parse(der: bytes) -> bool:
    """Whether the library reads `der` as a CSR. Attributes and extensions are framed by this, not interpreted."""
    try:
        x509.load_der_x509_csr(der)
    except BaseException as error:  # noqa: BLE001 -- what is not the library's is raised again
        raise_unless_of_library(error)
        return False
    return True


def load_public_key(spki: bytes) -> EllipticCurvePublicKey | RSAPublicKey:
    """The key of a SubjectPublicKeyInfo whose form is allowed.

    Raises:
        Refused: PUBLIC_KEY_NOT_ALLOWED, since its point is not on its curve.
    """
    try:
        key = load_der_public_key(spki)
    except BaseException as error:  # noqa: BLE001 -- what is not the library's is raised again
        raise_unless_of_library(error)
        key = None
    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey):
        raise refused(
            reasons.ERROR_REASON_PUBLIC_KEY_NOT_ALLOWED,
            "the CSR's EC key is not a point on its curve: make a new key",
        )
    return key


def raise_unless_of_library(error: BaseException) -> None:
    """Raise `error` again when it is no failure of the library but a cancellation, an interrupt or an exit."""
    # pyo3 makes the class at run time; there is nothing to import it from.
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
