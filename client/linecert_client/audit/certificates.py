"""The certificates that an auditor brings along, or asks the service for."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_client.errors import ConfigurationError
from linecert_client.results import IssuedDevice, Issuers


@dataclass(frozen=True, slots=True)
class Subject:
    """The certificate that is to be in the log.

    Attributes:
        serial_number: 40 hex digits.
        certificate: DER.
        issuer: DER of the certificate that it is to be signed by; None where that is not known.
    """

    serial_number: str
    certificate: bytes
    issuer: bytes | None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The first certificate of a chain in PEM form.

        Raises:
            ConfigurationError: the file cannot be read, or holds none.
        """
        certificate, *above = _read(path)
        return cls(f"{certificate.serial_number:040x}", _der(certificate), _der(above[0]) if above else None)

    @classmethod
    def from_answer(cls, device: IssuedDevice) -> Self:
        """What the service says of a device."""
        above = (*device.chain.intermediates, device.chain.root)
        return cls(device.serial_number, device.certificate, above[0])


def issuers_of(issuers: Issuers) -> dict[str, bytes]:
    """The CA certificates that the service names, by the hex SHA-256 that leaves have for them."""
    return _by_hash(der for chain in issuers.chains for der in (*chain.intermediates, chain.root))


def issuers_in(paths: Iterable[Path]) -> dict[str, bytes]:
    """The CA certificates in PEM files, by the same.

    Raises:
        ConfigurationError: a file cannot be read, or holds none.
    """
    return _by_hash(_der(certificate) for path in paths for certificate in _read(path))


def _by_hash(certificates: Iterable[bytes]) -> dict[str, bytes]:
    return {hashlib.sha256(der).hexdigest(): der for der in certificates}


def _read(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError:
        raise ConfigurationError(f"{path}: holds no certificate in PEM form") from None


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
