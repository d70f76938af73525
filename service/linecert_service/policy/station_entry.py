"""The form of `stations.toml`: one `[[stations]]` a caller, judged by itself."""

import re
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, model_validator

from linecert_service.policy import patterns
from linecert_service.policy.identity import IdentityKind
from linecert_service.toml_file import Name, Table

# A colon stands between two octets and nowhere else, as OpenSSL writes it.
_SHA256: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31}")
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}|[0-9a-f]{2}(?::[0-9a-f]{2}){1,19}")


class RoleName(StrEnum):
    """The roles of the contract, as the file writes them."""

    STATION = "station"
    PLANNER = "planner"
    AUDITOR = "auditor"
    OPERATOR = "operator"


def _sha256(value: str) -> str:
    text = value.lower()
    if not _SHA256.fullmatch(text):
        raise ValueError("must be a SHA-256 as 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` shows it")
    return text.replace(":", "")


def read_serial(value: object) -> int:
    """Read a serial number as the file writes it.

    Raises:
        ValueError: it is none.
    """
    text = value.lower() if isinstance(value, str) else ""
    if not _SERIAL.fullmatch(text):
        raise ValueError("must be a serial number in hex, as text, as `openssl x509 -noout -serial` shows it")
    return int(text.replace(":", ""), 16)


def _last_second(value: object) -> float:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(23, 59, 59), UTC)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be a date such as 2027-12-31, or a date-time with Z")
    return value.timestamp()


Sha256 = Annotated[str, AfterValidator(_sha256)]
Serial = Annotated[int, BeforeValidator(read_serial)]
LastSecond = Annotated[float, BeforeValidator(_last_second)]
Pattern = Annotated[str, AfterValidator(patterns.check)]
Count = Annotated[StrictInt, Field(ge=1)]
ReasonName = Literal["REWORK", "LOST", "KEY_COMPROMISE", "EXPIRING"]


class IdentityEntry(Table):
    """What the caller's certificate must say; `ca` may be left out where there is one station CA."""

    ca: Sha256 | None = None
    kind: IdentityKind
    value: Annotated[str, Field(min_length=1, max_length=1024)]

    @model_validator(mode="before")
    @classmethod
    def _plain_value(cls, data: Any) -> Any:
        """DNS names and hashes have more than one spelling; they are compared in lower case."""
        match data:
            case {"kind": "sha256", "value": str(value)}:
                return {**data, "value": _sha256(value)}
            case {"kind": "dns", "value": str(value)}:
                return {**data, "value": value.lower()}
            case _:
                return data


class StationEntry(Table):
    """One `[[stations]]`; the meaning of its settings is told at `stations.Station`."""

    name: Name
    line: Name | Literal[""] = ""
    identity: IdentityEntry
    roles: Annotated[tuple[RoleName, ...], Field(min_length=1)] = (RoleName.STATION,)
    profiles: tuple[Name, ...] = ()
    default_profile: Name | None = None
    registration_id_patterns: tuple[Pattern, ...] = ()
    work_order_required: StrictBool = False
    replacement_reasons: frozenset[ReasonName] = frozenset()
    per_minute: Count | None = None
    per_day: Count | None = None
    enabled: StrictBool = True
    valid_until: LastSecond | None = None
    revoked_serials: frozenset[Serial] = frozenset()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if RoleName.STATION in self.roles and not self.line:
            raise ValueError("needs a line, since its certificates are recorded with one")
        if self.default_profile is not None and self.default_profile not in self.profiles:
            raise ValueError("has a default_profile that is not among its profiles")
        return self


class StationsFile(Table):
    """The whole file."""

    stations: tuple[StationEntry, ...] = ()
