"""What a CA key signs beside device certificates: each such signature is an event of the log before it is made."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from linecert.transparency import canonical_json
from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.events import CA_SIGNATURE, NewEvent
from linecert_service.domain.ports import Signer
from linecert_service.installation.authorities import hash_for, spki_sha256
from linecert_service.signers.opening import as_sentence
from linecert_service.signers.remote_keys import remote_key

PATIENCE_SECONDS: Final = 30.0
"""For a vault that is asked too much, or is not there for a moment."""

Record: TypeAlias = Callable[[NewEvent], None]
"""Appends an event to the log; when it returns, that is on disk."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaKey:
    """An issuer's key, open.

    Attributes:
        name: of the issuer.
        place: the key, as the settings name it.
        signer: signs with it.
        record: appends events to the log.
    """

    name: str
    place: str
    signer: Signer
    record: Record

    def certification_request(self, subject: x509.Name) -> x509.CertificateSigningRequest:
        """A CSR for this key (RFC 2986), without attributes.

        Raises:
            ConfigurationError: the event cannot be recorded, or the key does not sign.
        """
        key = self.signer.private_key
        builder = x509.CertificateSigningRequestBuilder(subject)
        # What is going to be signed is known from one that is not signed.
        planned = builder.sign(remote_key(key.public_key(), _unsigned(key.key_size)), hash_for(key))
        self._announce("certificate_request", planned.tbs_certrequest_bytes)
        request = self._in_turn(lambda: builder.sign(key, hash_for(key)))
        if request.tbs_certrequest_bytes != planned.tbs_certrequest_bytes or not request.is_signature_valid:
            raise ConfigurationError(f"{self.place} signed with another key than its public one: do not use it")
        return request

    def test(self, message: bytes, certificate: x509.Certificate) -> float:
        """Sign a message, verify it with the certificate's key, and return how long the signature took, in seconds.

        Raises:
            ConfigurationError: the event cannot be recorded, the key does not sign, or its signature does not verify.
        """
        self._announce("self_test", message)
        started = time.monotonic()
        signature = self._in_turn(lambda: _sign(self.signer, message))
        seconds = time.monotonic() - started
        try:
            _verify(certificate, signature, message, hash_for(self.signer.private_key))
        except InvalidSignature:
            raise ConfigurationError(
                f"issuers.{self.name}: the signature of {self.place} does not verify with the key of its certificate: "
                "let nothing be issued with it, and find out who signs there"
            ) from None
        return seconds

    def _announce(self, purpose: str, data: bytes) -> None:
        detail = {
            "issuer": self.name,
            "public_key_sha256": spki_sha256(self.signer.private_key.public_key()).hex(),
            "purpose": purpose,
            "signed_sha256": hashlib.sha256(data).hexdigest(),
        }
        self.record(NewEvent(CA_SIGNATURE, detail=canonical_json(detail).decode()))

    def _in_turn(self, work: Callable[[], T]) -> T:
        async def attempt() -> T:
            return await asyncio.to_thread(work)

        async def wait() -> T:
            return await self.signer.in_turn(attempt, time.monotonic() + PATIENCE_SECONDS)

        try:
            return asyncio.run(wait())
        except SignerUnavailable as fault:
            raise as_sentence(self.place, fault) from fault


def _unsigned(bits: int) -> Callable[[bytes, HashAlgorithm], bytes]:
    return lambda _digest, _algorithm: bytes(bits // 4)


def _sign(signer: Signer, message: bytes) -> bytes:
    key = signer.private_key
    if isinstance(key, RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hash_for(key))
    return key.sign(message, ec.ECDSA(hash_for(key)))


def _verify(certificate: x509.Certificate, signature: bytes, message: bytes, digest: HashAlgorithm) -> None:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(digest))
    else:
        raise InvalidSignature
