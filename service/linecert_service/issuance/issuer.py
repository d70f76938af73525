"""An issuing CA, ready to sign: its chain, its key, and what of them every certificate needs."""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.ports import Signer

_P384_BITS: Final = 384


class Issuer:
    """An intermediate CA.

    Args:
        name: as in `[issuers.NAME]`.
        chain: its certificate, those above it, the root last; checked by `installation.trust`.
        signer: its key.
    """

    def __init__(self, name: str, chain: Sequence[x509.Certificate], signer: Signer) -> None:
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
        self.hash = _hash_for(public_key)
        self._fault: str | None = None

    def check(self) -> None:
        """Look whether this issuer can sign, without signing.

        Raises:
            SignerUnavailable: its key is out of reach, or what it signed last does not verify.
        """
        self.signer.check()
        if self._fault is not None:
            raise SignerUnavailable(self._fault)

    def has_signed(self, certificate: x509.Certificate) -> bool:
        """Whether this issuer's key signed `certificate`."""
        signature, signed = certificate.signature, certificate.tbs_certificate_bytes
        try:
            if isinstance(self.public_key, RSAPublicKey):
                self.public_key.verify(signature, signed, padding.PKCS1v15(), self.hash)
            else:
                self.public_key.verify(signature, signed, ec.ECDSA(self.hash))
        except InvalidSignature:
            return False
        return True

    def note_fault(self, fault: str | None) -> None:
        """Note what is wrong with the last signature; None: nothing."""
        self._fault = fault


def _hash_for(public_key: RSAPublicKey | EllipticCurvePublicKey) -> hashes.SHA256 | hashes.SHA384:
    """SHA-384 with P-384, whose strength it matches (NIST SP 800-57, part 1, table 3); SHA-256 otherwise."""
    strong = isinstance(public_key, EllipticCurvePublicKey) and public_key.curve.key_size == _P384_BITS
    return hashes.SHA384() if strong else hashes.SHA256()
