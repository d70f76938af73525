"""Keys that sign elsewhere: to pyca they are keys like others."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from linecert_service.domain.ports import CaPrivateKey
from linecert_service.signers.remote_keys import remote_key
from support.issuing import ca_key


def elsewhere(kind: str) -> CaPrivateKey:
    """A key that signs as tokens and vaults do: from a digest, r and s one after the other."""
    key = ca_key(kind)

    def sign(digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        done = Prehashed(algorithm)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, padding.PKCS1v15(), done)
        size = (key.key_size + 7) // 8
        return b"".join(number.to_bytes(size) for number in decode_dss_signature(key.sign(digest, ec.ECDSA(done))))

    return remote_key(key.public_key(), sign)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048"])
def test_pyca_signs_a_certificate_with_it(kind: str) -> None:
    """`CertificateBuilder.sign` takes it, and the certificate verifies; often enough for short r and s."""
    key = elsewhere(kind)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "remote")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    for _ in range(300 if kind == "P-256" else 3):
        certificate = builder.sign(key, hashes.SHA384())
        certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_nothing_of_it_can_be_had(kind: str) -> None:
    """Neither its numbers nor its bytes nor what else a private key does; a copy is the key itself."""
    key: Any = elsewhere(kind)
    assert key.key_size == ca_key(kind).key_size
    assert copy.copy(key) is copy.deepcopy(key) is key
    for use in (key.private_numbers, key.private_bytes, getattr(key, "decrypt", None) or key.exchange):
        with pytest.raises(UnsupportedAlgorithm, match="stays where it is"):
            use()


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_only_what_issuers_sign_with_is_signed(kind: str) -> None:
    """PKCS#1 v1.5 or ECDSA over data; no other padding, and no digest whose origin nobody knows."""
    key: Any = elsewhere(kind)
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        wrong: list[tuple[Any, ...]] = [(pss, hashes.SHA256()), (padding.PKCS1v15(), Prehashed(hashes.SHA256()))]
    else:
        assert key.curve.name == "secp256r1"
        wrong = [("ecdsa",), (ec.ECDSA(Prehashed(hashes.SHA256())),)]
    for arguments in wrong:
        with pytest.raises(UnsupportedAlgorithm):
            key.sign(b"d" * 32, *arguments)
