"""Device keys and their CSRs, for stations that make them on the device's behalf."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from linecert import registration_id as registration_ids

DeviceKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_PUBLIC_EXPONENT: Final = 65537


class KeyType(enum.StrEnum):
    """The kinds of key that the service accepts."""

    P256 = "p256"
    P384 = "p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"


_CURVES: Final[Mapping[KeyType, type[ec.EllipticCurve]]] = MappingProxyType(
    {KeyType.P256: ec.SECP256R1, KeyType.P384: ec.SECP384R1}
)


def generate(key_type: KeyType) -> DeviceKey:
    """A new key."""
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type]())
    return rsa.generate_private_key(_PUBLIC_EXPONENT, int(key_type.removeprefix("rsa-")))


def key_type_of(key: DeviceKey) -> KeyType | None:
    """The kind of a key; None for one that the service does not accept."""
    if isinstance(key, rsa.RSAPrivateKey):
        return next((kind for kind in KeyType if kind == f"rsa-{key.key_size}"), None)
    return next((kind for kind, curve in _CURVES.items() if isinstance(key.curve, curve)), None)


def key_to_pem(key: DeviceKey) -> bytes:
    """PKCS#8 (RFC 5958), not encrypted, as the device SDKs of Azure read it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> DeviceKey:
    """Read a key.

    Raises:
        ValueError: it is not an RSA or EC private key in PEM form, or is encrypted.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no private key in PEM form, or an encrypted one") from None
    if not isinstance(key, DeviceKey):
        raise ValueError("holds a key that is neither RSA nor EC")  # noqa: TRY004 - the content is wrong
    return key


def make_csr(key: DeviceKey, registration_id: str) -> bytes:
    """A CSR (RFC 2986) in PEM form with the registration ID as its one common name.

    Raises:
        RegistrationIdError: `registration_id` is none.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, registration_ids.check(registration_id))])
    digest = hashes.SHA384() if key_type_of(key) is KeyType.P384 else hashes.SHA256()
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest).public_bytes(Encoding.PEM)


def spki(key: PublicKeyTypes) -> bytes:
    """DER of the SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_csr(csr: bytes) -> tuple[str, PublicKeyTypes] | None:
    """The registration ID and the key of a CSR, PEM or DER.

    None for one that this cannot read: what is wrong with it is for the service to say.
    """
    load = x509.load_pem_x509_csr if csr.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_csr
    try:
        request = load(csr)
        (name,) = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not isinstance(name.value, str):
            return None
        return registration_ids.check(name.value), request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
