"""Changing `[issuers]` and `[profiles]` of `linecert.toml` without losing what operators wrote there."""

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.toml_edits import set_value


def with_issuer(text: str, name: str, values: Mapping[str, str]) -> str:
    """The text with a table `[issuers.NAME]`, which is not there yet, behind the other issuers."""
    document = tomlkit.parse(text)
    issuers: Any = document.get("issuers")
    if isinstance(issuers, InlineTable):
        inline = tomlkit.inline_table()
        inline.update(values)
        issuers[name] = inline
        return tomlkit.dumps(document)
    if not isinstance(issuers, Table) or not isinstance(last := list(issuers.values())[-1], Table):
        # In several places, with dotted keys, or only in the environment: a table at the end is as good.
        return f"{text.rstrip()}\n\n{_standing_alone(name, values)}"
    ahead_of_next = _taken_off(last)
    last.add(tomlkit.nl())
    table = tomlkit.table()
    table.update(values)
    for item in ahead_of_next or [tomlkit.nl()]:
        table.add(item)
    issuers.add(name, table)
    return tomlkit.dumps(document)


def with_issuer_of_profile(text: str, profile: str, name: str) -> str:
    """The text with another issuer for a profile that is there, and none staged to follow it.

    Raises:
        ConfigurationError: the text does not have the profile.
    """
    document = tomlkit.parse(text)
    profiles: Any = document.get("profiles", {})
    if profile not in profiles:
        raise ConfigurationError(
            f"the settings file has no section [profiles.{profile}], but the environment or the secrets folder: set "
            "its issuers there"
        )
    profiles[profile]["issuer"] = name
    for setting in ("next_issuer", "switch_at"):
        profiles[profile].pop(setting, None)
    return tomlkit.dumps(document)


def with_next_issuer(text: str, profile: str, name: str, in_force: str) -> str:
    """The text with an issuer staged for a profile that is there, behind the one that is in force now.

    Raises:
        ConfigurationError: the text does not have the profile.
    """
    document = tomlkit.parse(with_issuer_of_profile(text, profile, in_force))
    profiles: Any = document["profiles"]
    set_value(profiles[profile], "next_issuer", name)
    return tomlkit.dumps(document)


def _taken_off(table: Table) -> list[Any]:
    """The blank lines and comments at the end of a table: they belong to what comes behind it."""
    body = table.value.body
    taken: list[Any] = []
    while body and body[-1][0] is None:
        taken.insert(0, body.pop()[1])
    return taken


def _standing_alone(name: str, values: Mapping[str, str]) -> str:
    inner = tomlkit.table()
    inner.update(values)
    issuers = tomlkit.table(is_super_table=True)
    issuers.add(name, inner)
    document = tomlkit.document()
    document.add("issuers", issuers)
    return tomlkit.dumps(document)
