"""`client.toml`: where the service is, and with which files a station shows who it is.

addresses = ["localhost:8443"]    one or several servers, HOST:PORT
certificate = "certificate.pem"   relative to the folder of client.toml
key = "key.pem"
server_ca = "server-ca.pem"
deadline = "30s"                  optional: how long a call may take with all its retries
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from linecert_client import durations
from linecert_client.errors import ConfigurationError

FILE_NAME: Final = "client.toml"
DEFAULT_DEADLINE_SECONDS: Final = 30.0

_FILES: Final = ("certificate", "key", "server_ca")
_KEYS: Final = frozenset({"addresses", "deadline", *_FILES})
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """One server.

    Attributes:
        host: a DNS name or an IP address, IPv6 without brackets.
        port: 1 to 65535.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read HOST:PORT or [IPV6]:PORT, with or without gRPC's `dns:///` in front.

        Raises:
            ValueError: it is neither.
        """
        host, _, port = text.removeprefix("dns:///").rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if not host or (":" in host) is not bracketed or "/" in host:
            raise ValueError("expected HOST:PORT, or [ADDRESS]:PORT for IPv6")
        if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
            raise ValueError(f"the port must be a number from 1 to {_HIGHEST_PORT}")
        return cls(host, int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What `client.toml` says, with paths resolved.

    Attributes:
        addresses: at least one server; calls go round them.
        certificate: PEM, the client's certificate, with CA certificates between it and the station CA behind it.
        key: PEM, its private key, not encrypted.
        server_ca: PEM, the CA certificates that server certificates end in.
        deadline: seconds that a call may take with all its retries.
        path: the file that said so; None where there is none.
    """

    addresses: tuple[Address, ...]
    certificate: Path
    key: Path
    server_ca: Path
    deadline: float = DEFAULT_DEADLINE_SECONDS
    path: Path | None = None

    @property
    def addresses_from(self) -> str:
        """Where the addresses are set, for messages."""
        return f"`addresses` in {self.path}" if self.path else "`addresses`"

    @classmethod
    def from_folder(cls, folder: Path | str) -> Self:
        """Read `client.toml` in `folder`.

        Raises:
            ConfigurationError: it is missing or wrong; the message names file and key.
        """
        return cls.from_file(Path(folder) / FILE_NAME)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read one `client.toml`.

        Raises:
            ConfigurationError: it is missing or wrong; the message names file and key.
        """
        values = _read(path)
        unknown = sorted(values.keys() - _KEYS)
        if unknown:
            raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
        certificate, key, server_ca = (path.parent / _text(path, values, name) for name in _FILES)
        return cls(_addresses(path, values), certificate, key, server_ca, _deadline(path, values), path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: there is no such file; name the client's folder with -C or the variable LINECERT_CLIENT"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error


def _text(path: Path, values: dict[str, Any], key: str) -> str:
    if key not in values:
        raise ConfigurationError(f"{path}: the key {key!r} is missing")
    value = values[key]
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{path}: {key!r} must be a text that is not empty")
    return value


def _addresses(path: Path, values: dict[str, Any]) -> tuple[Address, ...]:
    stated = values.get("addresses")
    if not isinstance(stated, list) or not stated or not all(isinstance(item, str) for item in stated):
        raise ConfigurationError(f"{path}: 'addresses' must be a list of texts such as [\"localhost:8443\"]")
    try:
        return tuple(Address.parse(item) for item in stated)
    except ValueError as error:
        raise ConfigurationError(f"{path}: 'addresses': {error}") from None


def _deadline(path: Path, values: dict[str, Any]) -> float:
    if "deadline" not in values:
        return DEFAULT_DEADLINE_SECONDS
    try:
        return durations.parse(_text(path, values, "deadline")).total_seconds()
    except ValueError as error:
        raise ConfigurationError(f"{path}: 'deadline': {error}") from None
