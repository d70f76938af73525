"""The part of `linecert.toml` that a running server takes over when it changes: its issuers and its profiles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509

from linecert_service import config
from linecert_service.config import Profile as ProfileSettings
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import trust
from linecert_service.installation.trust import IssuerFiles, Trust
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.policy.stations import Stations

AddIssuer = Callable[[str, Sequence[x509.Certificate]], None]
"""Makes an issuer, of this name and chain, known to the store."""

_LIVE: Final = frozenset({"issuers", "profiles"})
"""What of the settings is taken over without a restart."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What is to be in force after a change of the settings.

    Attributes:
        settings: those that started the server, with other issuers and profiles.
        trusted: what was checked, with issuers that were opened beside those before.
        profiles: ready to issue.
        opened: the names of the issuers that were opened.
        waiting: the settings that differ from those in force and wait for a restart.
    """

    settings: Settings
    trusted: Trust
    profiles: Mapping[str, Profile]
    opened: tuple[str, ...]
    waiting: tuple[str, ...]


class ProfileMaker:
    """Makes profiles that can issue of settings. An issuer is made once, however often its profiles are."""

    def __init__(self) -> None:
        self._issuers: dict[str, Issuer] = {}

    def make(self, settings: Settings, issuers: Mapping[str, IssuerFiles], now: float) -> dict[str, Profile]:
        """The profiles of the settings, by name.

        Args:
            settings: name the issuers of each.
            issuers: open, by name; under a name is always the same one.
            now: seconds since 1970: an issuer that was followed by another one before need not be open.
        """
        return {name: self._profile(name, profile, issuers, now) for name, profile in settings.profiles.items()}

    def _profile(self, name: str, settings: ProfileSettings, issuers: Mapping[str, IssuerFiles], now: float) -> Profile:
        first, *staged = settings.issuers_from(now)
        following = _profile(name, settings, self._issuer(issuers[staged[0]])) if staged else None
        return _profile(name, settings, self._issuer(issuers[first]), following)

    def _issuer(self, files: IssuerFiles) -> Issuer:
        if files.name not in self._issuers:
            self._issuers[files.name] = Issuer(files.name, files.chain, files.signer)
        return self._issuers[files.name]


class SettingsReader:
    """Reads `linecert.toml` anew. Blocks: where a new issuer's key lives elsewhere, for as long as it takes to open it.

    Args:
        maker: makes the profiles.
        add_issuer: makes new issuers known to the store.
        settings: those that started the server.
        trusted: what it started with.
    """

    def __init__(self, maker: ProfileMaker, add_issuer: AddIssuer, settings: Settings, trusted: Trust) -> None:
        self._maker = maker
        self._add_issuer = add_issuer
        self._opened = {name: settings.issuers[name] for name in trusted.issuers}

    def read(self, settings: Settings, trusted: Trust, stations: Stations, now: float) -> Renewal:
        """What is to be in force instead of `settings` and `trusted`.

        An issuer that is open stays as it was opened, also when its settings are others now: what is under way signs
        with it.

        Args:
            settings: in force.
            trusted: in force.
            stations: in force; they may use profiles that are there.
            now: seconds since 1970.

        Raises:
            ConfigurationError: the file cannot be put in force; nothing was changed, and nothing is left open.
            Refused: CLOCK_UNTRUSTED.
        """
        # 1. Read, and leave what waits for a restart as it is.
        new = config.load(settings.path)
        issuers = {name: self._opened.get(name, issuer) for name, issuer in new.issuers.items()}
        renewed = settings.model_copy(update={"issuers": issuers, "profiles": new.profiles})
        _check_stations(renewed, trusted, stations)
        # 2. Open the issuers that are new, with the checks of a start.
        names = renewed.issuers_from(now) - trusted.issuers.keys()
        opened = trust.open_issuers(renewed, names, now)
        try:
            signers = {**trusted.issuers, **opened}
            checked = replace(trusted, issuers=signers, retired=trust.retired_issuers(renewed, signers)[0])
            trust.check_apart(trusted.station_cas, settings.server.client_ca, checked.all_issuers)
            profiles = self._maker.make(renewed, signers, now)
            # 3. Known to the store before anything is signed.
            for name, files in opened.items():
                self._add_issuer(name, files.chain)
        except BaseException:
            for files in opened.values():
                files.signer.close()
            raise
        self._opened |= {name: issuers[name] for name in opened}
        return Renewal(renewed, checked, profiles, tuple(opened), tuple(_waiting(new, renewed)))


def _check_stations(settings: Settings, trusted: Trust, stations: Stations) -> None:
    """Keep a profile that a station uses, unless `stations.toml` as it is now does without."""
    used = {name for station in stations.by_name.values() for name in station.profiles}
    if used <= settings.profiles.keys():
        return
    try:
        Stations.load(settings.stations, station_cas=trusted.station_cas, profiles=settings.profiles)
    except ConfigurationError as error:
        gone = min(used - settings.profiles.keys())
        raise ConfigurationError(
            f"{settings.path}: profiles.{gone} is gone, and stations may use it: {error}"
        ) from error


def _waiting(new: Settings, in_force: Settings) -> Iterator[str]:
    for name in sorted(Settings.model_fields.keys() - _LIVE):
        if getattr(new, name) != getattr(in_force, name):
            yield name
    for name, issuer in new.issuers.items():
        if issuer != in_force.issuers[name]:
            yield f"issuers.{name}"


def _profile(name: str, settings: ProfileSettings, issuer: Issuer, following: Profile | None = None) -> Profile:
    return Profile(
        name,
        issuer,
        validity=settings.validity,
        max_validity=settings.max_validity,
        not_after=settings.not_after,
        backdate=settings.backdate,
        clamp=settings.clamp,
        key_types=settings.key_types,
        subject=settings.subject,
        following=following,
        switch_at=settings.switch_at,
        named=tuple(filter(None, (settings.issuer, settings.next_issuer))),
    )
