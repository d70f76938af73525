"""Changing `stations.toml` without losing what operators wrote there. What comes out is judged by `policy.Stations`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.items import AoT, InlineTable, Table

from linecert_service.installation.credentials import Caller
from linecert_service.installation.toml_edits import set_value


@dataclass(frozen=True, slots=True)
class NewStation:
    """An entry to add.

    Attributes:
        caller: name and identity.
        line: its manufacturing line; empty for none.
        roles: as the file writes them.
        profiles: what it may ask for.
        ca: hex SHA-256 of the station CA's certificate; None where there is one CA only.
    """

    caller: Caller
    line: str = ""
    roles: Sequence[str] = ("station",)
    profiles: Sequence[str] = ()
    ca: str | None = None


def with_station(text: str, station: NewStation) -> str:
    """The text with one more entry at its end."""
    document = tomlkit.parse(text.rstrip() + "\n\n")
    entries = document.setdefault("stations", tomlkit.aot())
    entry = _table(station)
    entries.append(entry if isinstance(entries, AoT) else entry.unwrap())
    return tomlkit.dumps(document)


def with_enabled(text: str, name: str, *, enabled: bool) -> str:
    """The text with the entry `name`, which is there, locked out or let in again."""
    document = tomlkit.parse(text)
    entry = _entry(document, name)
    if entry.get("enabled", True) != enabled:
        set_value(entry, "enabled", enabled)
    return tomlkit.dumps(document)


def with_revoked(text: str, name: str, serials: Iterable[int]) -> str:
    """The text with more `revoked_serials` at the entry `name`, which is there; each stands there once."""
    document = tomlkit.parse(text)
    entry = _entry(document, name)
    listed = {int(str(serial).replace(":", ""), 16) for serial in entry.get("revoked_serials", ())}
    missing = [f"{serial:x}" for serial in dict.fromkeys(serials) if serial not in listed]
    if "revoked_serials" in entry:
        entry["revoked_serials"].extend(missing)
    elif missing:
        set_value(entry, "revoked_serials", missing)
    return tomlkit.dumps(document)


def with_ca(text: str, name: str, ca: str) -> str:
    """The text with the entry `name`, which is there, moved to another station CA: hex SHA-256 of its certificate."""
    document = tomlkit.parse(text)
    _entry(document, name)["identity"]["ca"] = ca
    return tomlkit.dumps(document)


def _entry(document: TOMLDocument, name: str) -> Any:
    return next(entry for entry in document["stations"] if entry["name"] == name)


def _table(station: NewStation) -> Table:
    table = tomlkit.table()
    table.add("name", station.caller.name)
    if station.line:
        table.add("line", station.line)
    table.add("identity", _identity(station))
    table.add("roles", list(station.roles))
    if station.profiles:
        table.add("profiles", list(station.profiles))
    return table


def _identity(station: NewStation) -> InlineTable:
    identity = tomlkit.inline_table()
    if station.ca is not None:
        identity["ca"] = station.ca
    identity.update({"kind": "uri", "value": station.caller.uri})
    return identity
