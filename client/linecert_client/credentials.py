"""The files with which a client shows who it is, checked before the first call.

gRPC says UNAVAILABLE to every fault of these files, so each is named here while its cause is still known.
"""

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linecert_client.config import ClientConfig
from linecert_client.errors import ConfigurationError, TlsError
from linecert_client.keys import spki


@dataclass(frozen=True, slots=True)
class Credential:
    """A client certificate with its key, and the CA that servers are checked against.

    Attributes:
        certificate_path, key_path, server_ca_path: where they come from.
        certificate, key, server_ca: PEM.
        not_before, not_after: the certificate's validity, UTC.
    """

    certificate_path: Path
    key_path: Path
    server_ca_path: Path
    certificate: bytes
    key: bytes = field(repr=False)
    server_ca: bytes
    not_before: datetime
    not_after: datetime

    @classmethod
    def load(cls, config: ClientConfig) -> Self:
        """Read and check the three files.

        Raises:
            ConfigurationError: one is missing, unreadable or not PEM, or the key is another certificate's.
        """
        certificate = _read(config.certificate)
        leaf = _certificates(config.certificate, certificate)[0]
        key = _read(config.key)
        if spki(_public_key(config.key, key)) != spki(leaf.public_key()):
            raise ConfigurationError(f"{config.key}: the key does not belong to the certificate {config.certificate}")
        server_ca = _read(config.server_ca)
        _certificates(config.server_ca, server_ca)
        return cls(
            certificate_path=config.certificate,
            key_path=config.key,
            server_ca_path=config.server_ca,
            certificate=certificate,
            key=key,
            server_ca=server_ca,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        )

    def check_time(self) -> None:
        """Pass when the certificate is valid now, by this machine's clock.

        Raises:
            TlsError: it has expired or is not valid yet.
        """
        now = datetime.now(UTC)
        if now > self.not_after:
            raise self.failure(f"the client certificate has expired: it was valid until {_date(self.not_after)}")
        if now < self.not_before:
            raise self.failure(f"the client certificate is not valid before {_date(self.not_before)}")

    def failure(self, problem: str) -> TlsError:
        """The error that blames this certificate."""
        return TlsError(f"{self.certificate_path}: {problem}", path=self.certificate_path, not_after=self.not_after)

    def time_left(self) -> timedelta:
        """Until the certificate ends; negative when it has."""
        return self.not_after - datetime.now(UTC)

    def key_is_open(self) -> bool:
        """Whether others than the key file's owner can read it. Windows keeps its rights elsewhere: never there."""
        return os.name == "posix" and bool(self.key_path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigurationError(f"{path}: holds no certificate in PEM form") from None


def _public_key(path: Path, pem: bytes) -> PublicKeyTypes:
    try:
        return load_pem_private_key(pem, password=None).public_key()
    except TypeError:
        raise ConfigurationError(f"{path}: the key is encrypted; a station's key must be readable as it is") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path}: holds no private key in PEM form") from None


def _date(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
