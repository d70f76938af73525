"""What a caller is given: a key, a certificate of the station CA, and how to reach the server."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from linecert_service.installation import files
from linecert_service.installation.authorities import (
    Authority,
    CaKey,
    Validity,
    distinguished_name,
    new_key,
    spki_sha256,
)

CLIENT_LIFETIME: Final = timedelta(days=365)
CERTIFICATE: Final = "certificate.pem"
_KEY: Final = "key.pem"

_CLIENT_TOML: Final = """\
# How {name} reaches linecert. Paths are relative to this file.
# Servers, tried in turn.
addresses = ["{address}"]
# Who this caller is, and its private key.
certificate = "certificate.pem"
key = "key.pem"
# The CA that the server's certificate must come from.
server_ca = "server-ca.pem"
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller to be.

    Attributes:
        name: of the station, auditor, planner or operator.
        role: which of the four it mainly is.
        installation: NAME of the installation, for the identity URI.
    """

    name: str
    role: str
    installation: str

    @property
    def uri(self) -> str:
        """The identity that its certificate carries."""
        return f"urn:linecert:{self.installation}:{self.role}:{self.name}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Makes what callers are given.

    Attributes:
        station_ca: who signs their certificates.
        server_ca: PEM of what the server's certificate comes from.
        address: HOST:PORT of the server.
        now: the time. A certificate lives for a year, or until the station CA ends.
    """

    station_ca: Authority
    server_ca: bytes
    address: str
    now: datetime

    def write(self, folder: Path, caller: Caller) -> bytes:
        """Make key and certificate and write them with `client.toml` into `folder`, which is made in one that exists.

        Returns:
            SHA-256 of the SubjectPublicKeyInfo.
        """
        folder.mkdir(mode=files.PRIVATE_FOLDER)
        return self.renew(folder, caller.name, caller.uri)

    def renew(self, folder: Path, name: str, uri: str) -> bytes:
        """Make key and certificate with the identity `uri` and write them into `folder`, in place of those there.

        What else the caller needs is written where it is missing.

        Returns:
            SHA-256 of the SubjectPublicKeyInfo.
        """
        client_toml = _CLIENT_TOML.format(name=name, address=self.address).encode()
        for file, content in (("client.toml", client_toml), ("server-ca.pem", self.server_ca)):
            if not (folder / file).exists():
                files.write_new(folder / file, content)
        for file in (CERTIFICATE, _KEY):
            (folder / file).unlink(missing_ok=True)
        key = new_key()
        lifetime = min(CLIENT_LIFETIME, self.station_ca.certificate.not_valid_after_utc - self.now)
        certificate = self.station_ca.client(
            distinguished_name(name), key.public_key(), uri, Validity(self.now, lifetime)
        )
        files.write_new(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        files.write_new(folder / _KEY, private_pem(key), files.PRIVATE)
        return spki_sha256(key.public_key())


def private_pem(key: CaKey | Ed25519PrivateKey, passphrase: bytes | None = None) -> bytes:
    """PKCS#8 in PEM, encrypted where there is a pass phrase."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def address_of(listen: str) -> str:
    """Where a caller on the server's own machine reaches what listens at `listen`, HOST:PORT."""
    host, _, port = listen.rpartition(":")
    anywhere = host in {"0.0.0.0", "[::]", "127.0.0.1", "[::1]"}  # noqa: S104 - compared, not bound
    return f"localhost:{port}" if anywhere else listen
