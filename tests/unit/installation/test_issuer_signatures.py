"""No signature of a CA key that the log does not know of."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.installation.authorities import distinguished_name, spki_sha256
from linecert_service.installation.issuer_signatures import CaKey
from linecert_service.signers.local import LocalSigner
from linecert_service.signers.remote_keys import remote_key

KEYS = [
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    rsa.generate_private_key(65_537, 2048),
]


class Watched:
    """A key, and what it and the log were asked for, in order."""

    def __init__(self, key: CaPrivateKey, *, refuses: bool = False, signs_with: CaPrivateKey | None = None) -> None:
        self.asked: list[str] = []
        self.events: list[NewEvent] = []
        self._key = signs_with or key
        self._refuses = refuses
        remote = remote_key(key.public_key(), self._sign)
        self.ca = CaKey("line-3", "file:key.pem", LocalSigner(remote), self._record)

    def _sign(self, digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        self.asked.append("signature")
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(digest, padding.PKCS1v15(), utils.Prehashed(algorithm))
        r, s = utils.decode_dss_signature(self._key.sign(digest, ec.ECDSA(utils.Prehashed(algorithm))))
        size = self._key.key_size // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def _record(self, event: NewEvent) -> None:
        self.asked.append("event")
        if self._refuses:
            raise ConfigurationError("the log is out of reach")
        self.events.append(event)


def certificate_of(key: CaPrivateKey) -> x509.Certificate:
    """One that names the key."""
    name, now = distinguished_name("line 3 CA"), datetime.now(UTC)
    return x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(
        key, hashes.SHA256()
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_csr_is_announced_with_what_is_going_to_be_signed(key: CaPrivateKey) -> None:
    """The event comes first, once, and holds the hash of the very octets that the signature covers."""
    watched = Watched(key)
    request = watched.ca.certification_request(distinguished_name("line 3 CA"))
    assert watched.asked == ["event", "signature"]
    assert json.loads(watched.events[0].detail or "") == {
        "issuer": "line-3",
        "public_key_sha256": spki_sha256(key.public_key()).hex(),
        "purpose": "certificate_request",
        "signed_sha256": hashlib.sha256(request.tbs_certrequest_bytes).hexdigest(),
    }
    assert request.is_signature_valid


@pytest.mark.parametrize("key", KEYS)
def test_a_self_test_is_announced_likewise(key: CaPrivateKey) -> None:
    """And verified with the key of the certificate."""
    watched = Watched(key)
    assert watched.ca.test(b"harmless", certificate_of(key)) >= 0
    assert watched.asked == ["event", "signature"]
    assert json.loads(watched.events[0].detail or "")["signed_sha256"] == hashlib.sha256(b"harmless").hexdigest()


@pytest.mark.parametrize("key", KEYS)
def test_what_cannot_be_recorded_is_not_signed(key: CaPrivateKey) -> None:
    """The key is not asked."""
    watched = Watched(key, refuses=True)
    with pytest.raises(ConfigurationError, match="out of reach"):
        watched.ca.certification_request(distinguished_name("line 3 CA"))
    with pytest.raises(ConfigurationError, match="out of reach"):
        watched.ca.test(b"harmless", certificate_of(key))
    assert watched.asked == ["event", "event"]


def test_a_place_that_signs_with_another_key_is_found_out() -> None:
    """A vault gone mad, or another token in the slot."""
    key, other = KEYS[0], ec.generate_private_key(ec.SECP256R1())
    watched = Watched(key, signs_with=other)
    with pytest.raises(ConfigurationError, match="another key"):
        watched.ca.certification_request(distinguished_name("line 3 CA"))
    with pytest.raises(ConfigurationError, match="does not verify"):
        watched.ca.test(b"harmless", certificate_of(key))


def test_a_key_out_of_reach_is_said_in_a_sentence() -> None:
    """Without the advice that stations get."""
    watched = Watched(KEYS[0])

    def lost(_digest: bytes, _algorithm: hashes.HashAlgorithm) -> bytes:
        raise SignerUnavailable("the vault cannot be reached: send again with the same request_id")

    watched.ca.signer.private_key = remote_key(KEYS[0].public_key(), lost)  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match=r"^file:key.pem: the vault cannot be reached$"):
        watched.ca.test(b"harmless", certificate_of(KEYS[0]))
