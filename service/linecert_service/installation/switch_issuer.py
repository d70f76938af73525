"""Switching a profile to its next issuer: what `linecert-server issuer switch` does to the settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import tomlkit
from tomlkit.exceptions import NonExistentKey

from linecert_service import config, toml_file
from linecert_service.config import Profile, Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains
from linecert_service.installation.exclusive_edit import exclusive_edit
from linecert_service.installation.toml_edits import set_value


@dataclass(frozen=True, slots=True)
class Switched:
    """A switch that stands in the settings.

    Attributes:
        old: the name of the issuer before.
        new: that of the one which signs then.
        at: from when on; None: from when a server reads it.
    """

    old: str
    new: str
    at: datetime | None


def switch(settings: Settings, name: str, now: datetime, at: datetime | None = None) -> Switched:
    """Have the next issuer of a profile sign, from now on or from a set time on.

    Args:
        settings: of the installation.
        name: of the profile.
        now: the time.
        at: when, in whole seconds; None: now.

    Raises:
        ConfigurationError: there is no such profile, nothing is staged for it, its chain is not valid now and then,
            `at` has passed, the profile was switched already, or the file was changed meanwhile. Nothing was changed
            then.
    """
    profile = _profile(settings, name)
    following = _following(settings, profile, name, (now, at or now))
    if at is not None:
        _check_time(profile, name, now, at)
    with exclusive_edit(settings.path) as edit:
        edit.check_as_read(settings)
        text = edit.document.text
        changed = with_issuer_switched(text, name) if at is None else with_switch_at(text, name, at)
        _check_outcome(settings, changed, name, following, at)
        edit.write(changed)
    return Switched(profile.issuer, following, at)


def with_issuer_switched(text: str, profile: str) -> str:
    """The text with the next issuer of a profile as its issuer, and none staged any more."""
    document = tomlkit.parse(text)
    table = _table(document, profile)
    table["issuer"] = str(table["next_issuer"])
    for setting in ("next_issuer", "switch_at"):
        if setting in table:
            del table[setting]
    return tomlkit.dumps(document)


def with_switch_at(text: str, profile: str, at: datetime) -> str:
    """The text with another time from which on the next issuer of a profile signs."""
    document = tomlkit.parse(text)
    set_value(_table(document, profile), "switch_at", tomlkit.datetime(chains.utc(at)))
    return tomlkit.dumps(document)


def _profile(settings: Settings, name: str) -> Profile:
    if name not in settings.profiles:
        raise ConfigurationError(f"PROFILE is none of {settings.path}, which has {', '.join(settings.profiles)}")
    return settings.profiles[name]


def _following(settings: Settings, profile: Profile, name: str, moments: Iterable[datetime]) -> str:
    """The name of the issuer that is staged, whose chain is valid when it begins, and now: servers start with it."""
    if profile.next_issuer is None:
        raise ConfigurationError(
            f"{settings.path}: profiles.{name} has no next_issuer: stage one first, with `next_issuer` in that section"
        )
    chain = settings.issuers[profile.next_issuer].chain
    for certificate in chains.read_certificates(chain, f"issuers.{profile.next_issuer}.chain"):
        for moment in moments:
            chains.check_dates(
                certificate, moment.timestamp(), f"put a chain into {chain} that is valid now and at the switch"
            )
    return profile.next_issuer


def _check_time(profile: Profile, name: str, now: datetime, at: datetime) -> None:
    if at <= now:
        raise ConfigurationError("--at has passed: give a time to come, or leave it out to switch now")
    if profile.switch_at is not None and profile.switch_at <= now.timestamp():
        switched = chains.utc(datetime.fromtimestamp(profile.switch_at, UTC))
        raise ConfigurationError(
            f"profiles.{name} was switched to {profile.next_issuer} at {switched}: a later time would switch it back"
        )


def _check_outcome(settings: Settings, text: str, name: str, following: str, at: datetime | None) -> None:
    outcome = config.of(toml_file.parse(text, settings.path)).profiles[name]
    expected = (following, None) if at is None else (following, int(at.timestamp()))
    found = (outcome.issuer, outcome.switch_at) if at is None else (outcome.next_issuer, outcome.switch_at)
    if found != expected:
        raise ConfigurationError(
            f"the environment or the secrets folder sets what profiles.{name} says of its issuers: switch it there"
        )


def _table(document: tomlkit.TOMLDocument, profile: str) -> Any:
    try:
        table: Any = document["profiles"][profile]
        _ = table["next_issuer"]
    except NonExistentKey:
        raise ConfigurationError(
            f"the settings file does not name the next issuer of profiles.{profile}, but the environment or the "
            "secrets folder: switch it there"
        ) from None
    return table
