"""Which signatures a CSR may carry, and whether one is right.

PKCS#1 v1.5 and ECDSA, each with SHA-256, SHA-384 or SHA-512. The allow-list is one of whole AlgorithmIdentifiers, so
parameters are settled with it: RFC 4055 says NULL for RSA and that a reader accepts their absence, RFC 5758 says none
for ECDSA.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.der import OBJECT_IDENTIFIER, SEQUENCE, DerError, Reader, object_identifier
from linecert_service.csr.library import raise_unless_of_library
from linecert_service.csr.object_identifiers import SIGNATURE_ALGORITHMS
from linecert_service.csr.public_keys import Family
from linecert_service.csr.refusals import refused
from linecert_service.domain.errors import Refused

_NULL: Final = b"\x05\x00"
_PKCS1: Final = PKCS1v15()
_RSA_WITH_SHA2: Final = ("1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13")
_ECDSA_WITH_SHA2: Final = ("1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4")
_DIGESTS: Final = (SHA256(), SHA384(), SHA512())
"""In the order of the two above."""


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """An allowed algorithm.

    Attributes:
        family: of the keys that it is for.
        digest: the hash.
        ecdsa: the same for ECDSA, made once.
    """

    family: Family
    digest: HashAlgorithm
    ecdsa: ECDSA


def _identifier(dotted: str, parameters: bytes) -> bytes:
    algorithm = object_identifier(dotted)
    content = bytes((OBJECT_IDENTIFIER, len(algorithm))) + algorithm + parameters
    return bytes((SEQUENCE, len(content))) + content


def _allowed() -> Iterator[tuple[bytes, SignatureAlgorithm]]:
    for dotted, digest in zip(_RSA_WITH_SHA2, _DIGESTS, strict=True):
        for parameters in (_NULL, b""):
            yield _identifier(dotted, parameters), SignatureAlgorithm("RSA", digest, ECDSA(digest))
    for dotted, digest in zip(_ECDSA_WITH_SHA2, _DIGESTS, strict=True):
        yield _identifier(dotted, b""), SignatureAlgorithm("EC", digest, ECDSA(digest))


_ALLOWED: Final[Mapping[bytes, SignatureAlgorithm]] = dict(_allowed())
_ALLOWED_ALGORITHMS: Final = frozenset(object_identifier(dotted) for dotted in (*_RSA_WITH_SHA2, *_ECDSA_WITH_SHA2))


def recognise(identifier: bytes) -> SignatureAlgorithm:
    """The algorithm that an AlgorithmIdentifier names.

    Raises:
        Refused: SIGNATURE_ALGORITHM_NOT_ALLOWED, or CSR_MALFORMED when this is no AlgorithmIdentifier.
    """
    algorithm = _ALLOWED.get(identifier)
    if algorithm is None:
        raise _refusal(identifier)
    return algorithm


def verify(
    key: EllipticCurvePublicKey | RSAPublicKey, algorithm: SignatureAlgorithm, signature: bytes, data: bytes
) -> None:
    """Hold that `signature` was made over `data` by who has the private key: the proof of possession.

    Raises:
        Refused: CSR_SIGNATURE_INVALID.
    """
    if algorithm.family != ("EC" if isinstance(key, EllipticCurvePublicKey) else "RSA"):
        raise refused(
            reasons.ERROR_REASON_CSR_SIGNATURE_INVALID,
            "the CSR names a signature algorithm for another type of key than its own: make the CSR again",
        )
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, data, algorithm.ecdsa)
        else:
            key.verify(signature, data, _PKCS1, algorithm.digest)
    except BaseException as error:  # noqa: BLE001 -- what is not the library's is raised again
        raise_unless_of_library(error)
        raise refused(
            reasons.ERROR_REASON_CSR_SIGNATURE_INVALID,
            "the CSR's signature was not made with the private key of its public key, or the CSR was changed after"
            " signing: make the CSR again on the device",
        ) from None


def _refusal(identifier: bytes) -> Refused:
    try:
        algorithm = Reader(Reader(identifier).content(SEQUENCE)).content(OBJECT_IDENTIFIER)
    except DerError:
        return refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the CSR's signature algorithm is no AlgorithmIdentifier of RFC 5280: make the CSR again",
        )
    name = SIGNATURE_ALGORITHMS.get(algorithm, "an algorithm that is not known here")
    parameters = ", with parameters that do not belong there" if algorithm in _ALLOWED_ALGORITHMS else ""
    return refused(
        reasons.ERROR_REASON_SIGNATURE_ALGORITHM_NOT_ALLOWED,
        f"the CSR is signed with {name}{parameters}: sign it with SHA-256, SHA-384 or SHA-512, with an RSA key as"
        " PKCS#1 v1.5, with an EC key as ECDSA",
    )
