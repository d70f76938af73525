"""Adding callers to `stations.toml` without losing what operators wrote there."""

from collections.abc import Sequence
from dataclasses import dataclass

import tomlkit
from tomlkit.items import AoT, InlineTable, Table

from linecert_service.installation.credentials import Caller


@dataclass(frozen=True, slots=True)
class NewStation:
    """An entry to add.

    Attributes:
        caller: name and identity.
        line: its manufacturing line; empty for none.
        roles: as the file writes them.
        profiles: what it may ask for.
    """

    caller: Caller
    line: str = ""
    roles: Sequence[str] = ("station",)
    profiles: Sequence[str] = ()


def with_station(text: str, station: NewStation) -> str:
    """The text of `stations.toml` with one more entry at its end. It is not judged here: see `policy.Stations`."""
    document = tomlkit.parse(text.rstrip() + "\n\n")
    entries = document.setdefault("stations", tomlkit.aot())
    entry = _table(station)
    entries.append(entry if isinstance(entries, AoT) else entry.unwrap())
    return tomlkit.dumps(document)


def _table(station: NewStation) -> Table:
    table = tomlkit.table()
    table.add("name", station.caller.name)
    if station.line:
        table.add("line", station.line)
    table.add("identity", _identity(station.caller.uri))
    table.add("roles", list(station.roles))
    if station.profiles:
        table.add("profiles", list(station.profiles))
    return table


def _identity(uri: str) -> InlineTable:
    identity = tomlkit.inline_table()
    identity.update({"kind": "uri", "value": uri})
    return identity
