"""The certificates that an installation makes for itself: CAs, server and callers. Never those of devices."""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CaKeyType = Literal["p256", "p384", "rsa-3072", "rsa-4096"]
CA_KEY_TYPES: Final[tuple[CaKeyType, ...]] = ("p256", "p384", "rsa-3072", "rsa-4096")

BACKDATE: Final = timedelta(minutes=5)
"""For callers and servers whose clocks are a little behind."""

_NO_USAGE: Final = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True)
class Validity:
    """From `now`, less `BACKDATE`, for `lifetime`."""

    now: datetime
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA with its key."""

    certificate: x509.Certificate
    private_key: CaKey = field(repr=False)

    @classmethod
    def self_signed(cls, name: x509.Name, key: CaKey, validity: Validity, *, path_length: int | None) -> Self:
        """A root of its own."""
        builder = _builder(name, name, key.public_key(), key.public_key(), validity)
        return cls(_ca_extensions(builder, path_length).sign(key, hash_for(key)), key)

    def intermediate(self, name: x509.Name, key: CaKey, validity: Validity) -> "Authority":
        """A CA below this one that issues no further CAs."""
        return Authority(self.subordinate(name, key.public_key(), validity), key)

    def subordinate(self, name: x509.Name, key: CertificatePublicKeyTypes, validity: Validity) -> x509.Certificate:
        """The certificate of a CA below this one that issues no further CAs; its key is somebody else's."""
        return self._sign(_ca_extensions(self._builder(name, key, validity), 0))

    def server(
        self, name: x509.Name, key: CertificatePublicKeyTypes, hosts: Iterable[str], validity: Validity
    ) -> x509.Certificate:
        """A certificate of a TLS server that is reached under `hosts`, names or addresses."""
        names = x509.SubjectAlternativeName(map(_host, hosts))
        return self._sign(self._end_entity(name, key, names, ExtendedKeyUsageOID.SERVER_AUTH, validity))

    def client(self, name: x509.Name, key: CertificatePublicKeyTypes, uri: str, validity: Validity) -> x509.Certificate:
        """A certificate of a caller that `stations.toml` knows by `uri`."""
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        return self._sign(self._end_entity(name, key, names, ExtendedKeyUsageOID.CLIENT_AUTH, validity))

    def _end_entity(
        self,
        name: x509.Name,
        key: CertificatePublicKeyTypes,
        names: x509.SubjectAlternativeName,
        usage: x509.ObjectIdentifier,
        validity: Validity,
    ) -> x509.CertificateBuilder:
        return (
            self._builder(name, key, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**_NO_USAGE | {"digital_signature": True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(names, critical=False)
        )

    def _builder(self, name: x509.Name, key: CertificatePublicKeyTypes, validity: Validity) -> x509.CertificateBuilder:
        return _builder(name, self.certificate.subject, key, self.private_key.public_key(), validity)

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self.private_key, hash_for(self.private_key))


def new_key(kind: CaKeyType = "p256") -> CaKey:
    """A new private key."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa-3072":
            return rsa.generate_private_key(65_537, 3072)
        case "rsa-4096":
            return rsa.generate_private_key(65_537, 4096)


def distinguished_name(common_name: str, organization: str | None = None) -> x509.Name:
    """`O=organization, CN=common_name`, or the common name alone."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def spki_sha256(key: PublicKeyTypes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _builder(
    name: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    issuer_key: CertificatePublicKeyTypes,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.now - BACKDATE)
        .not_valid_after(validity.now + validity.lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_authority_key_identifier(issuer_key), critical=False)
    )


def _ca_extensions(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    usage = _NO_USAGE | {"digital_signature": True, "key_cert_sign": True, "crl_sign": True}
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        x509.KeyUsage(**usage), critical=True
    )


def _authority_key_identifier(key: CertificatePublicKeyTypes) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        x509.SubjectKeyIdentifier.from_public_key(key)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def hash_for(key: CaKey) -> hashes.SHA256 | hashes.SHA384:
    """What a CA's key signs digests of."""
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else hashes.SHA256()  # noqa: PLR2004
