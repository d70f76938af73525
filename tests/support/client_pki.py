"""Throwaway CAs, server and client certificates for the client's tests, made in memory."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def authority(cls, name: str, issuer: Self | None = None) -> Self:
        """A CA, self-signed without an issuer."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(sign(key.public_key(), name, issuer or key, ca=True), key)

    def issue(self, name: str, *, san: str | None = None, start: timedelta = -_DAY, end: timedelta = 90 * _DAY) -> Self:
        """A leaf of this CA, valid from now + start to now + end."""
        key = ec.generate_private_key(ec.SECP256R1())
        return type(self)(sign(key.public_key(), name, self, san=san, start=start, end=end), key)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The key, PKCS#8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Pki:
    """The CAs that everybody trusts, and one that nobody does."""

    def __init__(self) -> None:
        self.server_ca = Identity.authority("server CA")
        self.station_ca = Identity.authority("station CA")
        self.stranger_ca = Identity.authority("stranger CA")
        self.server = self.server_ca.issue("server", san="localhost")
        self.station = self.station_ca.issue("ict-07")


def sign(
    public_key: CertificatePublicKeyTypes,
    name: str,
    issuer: Identity | ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
    san: str | None = None,
    start: timedelta = -_DAY,
    end: timedelta = 90 * _DAY,
) -> x509.Certificate:
    """One certificate; self-signed where the issuer is a bare key."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if isinstance(issuer, Identity) else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(san)]), critical=False)
    return builder.sign(issuer.key if isinstance(issuer, Identity) else issuer, hashes.SHA256())


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)


def write_client_folder(folder: Path, addresses: list[str], client: Identity, server_ca: Identity) -> Path:
    """A client folder as `linecert-server init` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.pem").write_bytes(client.pem)
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(client.key_pem)
    (folder / "server-ca.pem").write_bytes(server_ca.pem)
    listed = ", ".join(f'"{address}"' for address in addresses)
    (folder / "client.toml").write_text(
        f'addresses = [{listed}]\ncertificate = "certificate.pem"\nkey = "key.pem"\nserver_ca = "server-ca.pem"\n'
        'deadline = "20s"\n'
    )
    return folder
