"""Private keys that never leave where they are: pyca's classes, whose signatures are made elsewhere from a digest."""

from collections.abc import Callable
from typing import Any, Final, NoReturn, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurve, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as EcPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from linecert_service.domain.ports import CaPrivateKey

SignDigest: TypeAlias = Callable[[bytes, hashes.HashAlgorithm], bytes]
"""Signs a digest made with this hash: RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), or ECDSA as r || s of equal length."""

_STAYS: Final = "the key stays where it is: it signs, and nothing else"


def remote_key(public_key: RSAPublicKey | EcPublicKey, sign_digest: SignDigest) -> CaPrivateKey:
    """The private key of `public_key`, as pyca's classes have it."""
    if isinstance(public_key, RSAPublicKey):
        return RemoteRsaKey(public_key, sign_digest)
    return RemoteEcKey(public_key, sign_digest)


class _Remote:
    """What both kinds of keys have in common. Before pyca's class among the bases, so that it fills in for that."""

    def private_numbers(self) -> NoReturn:
        """Never: the key stays where it is."""
        raise UnsupportedAlgorithm(_STAYS)

    def private_bytes(self, *_: Any, **__: Any) -> NoReturn:
        """Never: the key stays where it is."""
        raise UnsupportedAlgorithm(_STAYS)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        return self


class RemoteRsaKey(_Remote, RSAPrivateKey):
    """An RSA key that signs elsewhere, with PKCS#1 v1.5 padding."""

    def __init__(self, public_key: RSAPublicKey, sign_digest: SignDigest) -> None:
        self._public_key = public_key
        self._sign_digest = sign_digest

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return self._public_key.key_size

    def public_key(self) -> RSAPublicKey:
        """What checks its signatures."""
        return self._public_key

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """The signature over `data`.

        Raises:
            UnsupportedAlgorithm: another padding than PKCS#1 v1.5, or a digest in place of a hash.
        """
        if not isinstance(padding, _Pkcs1):
            raise UnsupportedAlgorithm("an issuer's RSA key signs with PKCS#1 v1.5 padding")
        return self._sign_digest(_digest(data, algorithm), algorithm)

    def decrypt(self, *_: Any, **__: Any) -> NoReturn:
        """Never: an issuer's key signs only."""
        raise UnsupportedAlgorithm(_STAYS)


class RemoteEcKey(_Remote, EllipticCurvePrivateKey):
    """An EC key that signs elsewhere."""

    def __init__(self, public_key: EcPublicKey, sign_digest: SignDigest) -> None:
        self._public_key = public_key
        self._sign_digest = sign_digest

    @property
    def curve(self) -> EllipticCurve:
        """The curve that the key is on."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve's order."""
        return self._public_key.key_size

    def public_key(self) -> EcPublicKey:
        """What checks its signatures."""
        return self._public_key

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """The signature over `data`, in DER.

        Raises:
            UnsupportedAlgorithm: not ECDSA, or a digest in place of a hash.
        """
        if not isinstance(signature_algorithm, ECDSA):
            raise UnsupportedAlgorithm("an issuer's EC key signs with ECDSA")
        algorithm = signature_algorithm.algorithm
        return _der(self._sign_digest(_digest(data, algorithm), algorithm))  # type: ignore[arg-type]

    def exchange(self, *_: Any, **__: Any) -> NoReturn:
        """Never: an issuer's key signs only."""
        raise UnsupportedAlgorithm(_STAYS)


_Pkcs1 = padding.PKCS1v15


def _digest(data: Any, algorithm: Any) -> bytes:
    if not isinstance(algorithm, hashes.HashAlgorithm):
        raise UnsupportedAlgorithm("give the data and a hash: digests made beforehand are not taken")
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _der(raw: bytes) -> bytes:
    """Ecdsa-Sig-Value (RFC 3279, 2.2.3) of r || s."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
