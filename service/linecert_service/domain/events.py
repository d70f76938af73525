"""What happened beside issuing, before it has a place in the log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

STATION_CHANGED: Final = "station_changed"
CA_SIGNATURE: Final = "ca_signature"
"""A CA key signs something else than a device certificate."""
PROFILE_CHANGED: Final = "profile_changed"
ISSUER_SWITCHED: Final = "issuer_switched"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be appended.

    Attributes:
        kind: such as `discarded`, `issuer_added`, `service_started`.
        serial: of the certificate that it is about.
        registration_key: of the device that it is about.
        station: who caused it, where that is a station; of `station_changed`, the one that it is about.
        actor: who caused it otherwise.
        reason: why, such as the name of a contract reason.
        detail: RFC 8785 JSON object of strings, at most 1,024 characters.
    """

    kind: str
    serial: bytes | None = None
    registration_key: str | None = None
    station: str | None = None
    actor: str | None = None
    reason: str | None = None
    detail: str | None = None


@lru_cache(maxsize=4096)
def parse_detail(detail: str | None) -> Mapping[str, str]:
    """What an event's detail says; nothing where somebody made it something else than an object of strings."""
    try:
        said = json.loads(detail or "{}")
    except ValueError:
        said = {}
    strings = isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
    return MappingProxyType(said if strings else {})
