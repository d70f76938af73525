"""An issuing CA, ready to sign: its chain, its key, and what of them every certificate needs."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.csr import der
from linecert_service.csr.der import Reader, element, object_identifier
from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.ports import Signer

FAULT_SECONDS: Final = 60.0
"""How long a signature that must not leave speaks against an issuer. Then it may try again: out of service, no call
would ever show that its key has been mended."""
_P384_BITS: Final = 384
_PKCS1: Final = padding.PKCS1v15()
_RSA_WITH_SHA256: Final = "1.2.840.113549.1.1.11"
_ECDSA_WITH_SHA256: Final = "1.2.840.10045.4.3.2"
_ECDSA_WITH_SHA384: Final = "1.2.840.10045.4.3.3"


class Issuer:
    """An intermediate CA.

    Args:
        name: as in `[issuers.NAME]`.
        chain: its certificate, those above it, the root last; checked by `installation.trust`.
        signer: its key.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        chain: Sequence[x509.Certificate],
        signer: Signer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.chain = tuple(chain)
        self.signer = signer
        self.chain_der = tuple(link.public_bytes(Encoding.DER) for link in self.chain)
        self.certificate = self.chain[0]
        self.sha256 = self.certificate.fingerprint(hashes.SHA256())
        public_key = self.certificate.public_key()
        if not isinstance(public_key, RSAPublicKey | EllipticCurvePublicKey):
            raise ConfigurationError(f"issuer {name} has a key that is neither RSA nor EC: make another issuer")
        self.public_key = public_key
        self.not_before = int(self.certificate.not_valid_before_utc.timestamp())
        self.not_after = min(int(link.not_valid_after_utc.timestamp()) for link in self.chain)
        """When the first certificate of the chain ends, in seconds since 1970."""
        self.key_identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        digest = _hash_for(public_key)
        self._digest, self._ecdsa = digest, ec.ECDSA(digest)
        self.algorithm = _algorithm_of(public_key, digest)
        """DER of the AlgorithmIdentifier of its signatures."""
        self.subject = _subject_of(self.certificate)
        """DER of its name, octet for octet as its certificate has it."""
        self._monotonic = monotonic
        # What was wrong, and when; one object, since it is noted in threads.
        self._fault: tuple[str, float] | None = None

    def check(self) -> None:
        """Look whether this issuer can sign, without signing.

        Raises:
            SignerUnavailable: its key is out of reach, or what it signed last, less than `FAULT_SECONDS` ago, does not
                verify.
        """
        self.signer.check()
        if (noted := self._fault) is not None and self._monotonic() - noted[1] < FAULT_SECONDS:
            raise SignerUnavailable(noted[0])

    def sign(self, tbs: bytes) -> bytes:
        """The signature over the signed part of a certificate. Raises what the key raises."""
        key = self.signer.private_key
        if isinstance(key, RSAPrivateKey):
            return key.sign(tbs, _PKCS1, self._digest)
        return key.sign(tbs, self._ecdsa)

    def has_signed(self, tbs: bytes, signature: bytes) -> bool:
        """Whether `signature` over `tbs` was made with this issuer's key."""
        try:
            if isinstance(self.public_key, RSAPublicKey):
                self.public_key.verify(signature, tbs, _PKCS1, self._digest)
            else:
                self.public_key.verify(signature, tbs, self._ecdsa)
        except InvalidSignature:
            return False
        return True

    def note_fault(self, fault: str | None) -> None:
        """Note what is wrong with the last signature; None: nothing."""
        self._fault = None if fault is None else (fault, self._monotonic())


def _hash_for(public_key: RSAPublicKey | EllipticCurvePublicKey) -> hashes.SHA256 | hashes.SHA384:
    """SHA-384 with P-384, whose strength it matches (NIST SP 800-57, part 1, table 3); SHA-256 otherwise."""
    strong = isinstance(public_key, EllipticCurvePublicKey) and public_key.curve.key_size == _P384_BITS
    return hashes.SHA384() if strong else hashes.SHA256()


def _algorithm_of(public_key: RSAPublicKey | EllipticCurvePublicKey, digest: hashes.HashAlgorithm) -> bytes:
    """With NULL for RSA (RFC 4055, section 5), without parameters for ECDSA (RFC 5758, section 3.2)."""
    if isinstance(public_key, RSAPublicKey):
        dotted, parameters = _RSA_WITH_SHA256, b"\x05\x00"
    else:
        dotted = _ECDSA_WITH_SHA384 if isinstance(digest, hashes.SHA384) else _ECDSA_WITH_SHA256
        parameters = b""
    return element(der.SEQUENCE, element(der.OBJECT_IDENTIFIER, object_identifier(dotted)) + parameters)


def _subject_of(certificate: x509.Certificate) -> bytes:
    fields = Reader(Reader(certificate.tbs_certificate_bytes).content(der.SEQUENCE))
    # version, serialNumber, signature, issuer, validity
    for tag in (der.CONTEXT_0, der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE):
        fields.element(tag)
    return fields.element(der.SEQUENCE)
