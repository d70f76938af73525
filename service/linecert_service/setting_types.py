"""The types of values in `linecert.toml`: each says in its error which form it has.

Paths are made absolute on the way: the validation context holds the `folder` where relative ones start.
"""

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from linecert_service.domain.key_identifiers import HTTPS_SCHEME, KeyIdentifier
from linecert_service.signers.pkcs11.uri import SCHEME as PKCS11_SCHEME
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_LONGEST: Final = 1000 * _UNITS["y"]
_LONGEST_CONNECTION: Final = 20 * _UNITS["d"]  # gRPC counts milliseconds in 31 bits
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdwy])")
_LISTEN: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_EVERYWHERE: Final = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared, not bound
FILE_SCHEME: Final = "file:"
_SQLITE_SCHEME: Final = "sqlite:///"
_POSTGRESQL_SCHEME: Final = "postgresql://"
_ATTRIBUTE_LENGTHS: Final = {"C": 2, "ST": 128, "L": 128, "O": 64, "OU": 64}
"""Upper bounds of RFC 5280, appendix A.1."""


def parse_duration(value: object) -> int:
    """Seconds from `5y` (years of 365 days), `2w`, `30d`, `12h`, `5m` or `90s`.

    Raises:
        ValueError: it has another form, or is longer than a thousand years.
    """
    if not isinstance(value, str):
        raise ValueError('must be a text such as "5y", "30d", "12h", "5m" or "90s"')  # noqa: TRY004 - pydantic's way
    if not (match := _DURATION.fullmatch(value)):
        raise ValueError('must be a whole number and a unit, such as "5y" (365 days each), "30d", "12h", "5m" or "90s"')
    if (seconds := int(match[1]) * _UNITS[match[2]]) > _LONGEST:
        raise ValueError("must be at most 1000y; for certificates without an end set not_after = 9999-12-31T23:59:59Z")
    return seconds


def _connection_time(seconds: int) -> int:
    if not 1 <= seconds <= _LONGEST_CONNECTION:
        raise ValueError("must be between 1s and 20d")
    return seconds


def _epoch(value: object) -> int:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.strptime(value, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    if not isinstance(value, datetime) or value.tzinfo is None or value.microsecond:
        raise ValueError("must be a date-time with whole seconds and Z, such as 9999-12-31T23:59:59Z")
    return int(value.timestamp())


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    return Path(cast("Mapping[str, Path]", info.context)["folder"], path)


def check_listen(value: str) -> str:
    """Return `value` when it is HOST:PORT.

    Raises:
        ValueError: it is not.
    """
    match = _LISTEN.fullmatch(value)
    if not match or int(match["port"]) > 65_535:  # noqa: PLR2004 - the largest TCP port
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8443, [::]:8443 or line-ca.example:8443")
    return value


def collide(one: str, other: str) -> bool:
    """Whether two HOST:PORT cannot both be listened at. Port 0 is whichever is free."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    return int(port) == int(other_port) != 0 and (host == other_host or not _EVERYWHERE.isdisjoint((host, other_host)))


def _key_uri(value: str, info: ValidationInfo) -> str:
    if value.startswith(HTTPS_SCHEME):
        return str(KeyIdentifier.parse(value))
    if value.startswith(PKCS11_SCHEME):
        Pkcs11Uri.parse(value)
        return value
    path = value.removeprefix(FILE_SCHEME)
    if not path or path == value:
        raise ValueError(
            "must name a key file, such as file:pki/issuer.key.pem, a key in a token, as a pkcs11: URI, or one in "
            "Azure Key Vault, such as https://VAULT.vault.azure.net/keys/NAME/VERSION"
        )
    return FILE_SCHEME + str(_from_folder(Path(path), info))


def _store_url(value: str, info: ValidationInfo) -> str:
    if value.startswith(_POSTGRESQL_SCHEME):
        return value
    path = value.removeprefix(_SQLITE_SCHEME)
    if not path or path == value:
        raise ValueError("must be sqlite:///FILE or postgresql://USER@HOST/DATABASE, such as sqlite:///linecert.db")
    return _SQLITE_SCHEME + str(_from_folder(Path(path), info))


def _subject(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if name == "CN":
            raise ValueError("must not set CN: the common name is the device's registration ID")
        if name not in _ATTRIBUTE_LENGTHS:
            raise ValueError(f"takes the attributes {', '.join(_ATTRIBUTE_LENGTHS)}, written so")
        if not 1 <= len(text) <= _ATTRIBUTE_LENGTHS[name] or not text.isprintable():
            raise ValueError(f"needs 1 to {_ATTRIBUTE_LENGTHS[name]} printable characters for {name}")
    if not re.fullmatch("[A-Z]{2}", value.get("C", "XX")):
        raise ValueError("needs two capital letters for C, as in ISO 3166")
    return value


KeyType = Literal["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"]
LogLevel = Literal["debug", "info", "warning", "error"]
Seconds = Annotated[int, BeforeValidator(parse_duration)]
ConnectionTime = Annotated[Seconds, AfterValidator(_connection_time)]
Epoch = Annotated[int, BeforeValidator(_epoch)]
FilePath = Annotated[Path, AfterValidator(_from_folder)]
Listen = Annotated[str, AfterValidator(check_listen)]
KeyUri = Annotated[str, AfterValidator(_key_uri)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
Subject = Annotated[dict[str, str], AfterValidator(_subject)]
