"""Who may call, and for what: `stations.toml`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from pydantic import ValidationError

from linecert import contract
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.options_pb2 import Role
from linecert_service import toml_file
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.policy.identity import Identity, PeerCertificate, StationCas
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.policy.station_entry import IdentityEntry, StationEntry, StationsFile
from linecert_service.toml_file import Document

FIND_STATIONS: Final = "restore the file, or correct `stations` in linecert.toml"


@dataclass(frozen=True, slots=True)
class Station:
    """A caller that `stations.toml` lists; also planners, auditors and operators. Immutable.

    Attributes:
        name: as recorded with what it issues.
        line: its manufacturing line; empty where it has none, which only callers that issue nothing may.
        identity: what its certificate must say.
        roles: which methods it may call.
        profiles: what it may ask for; with none it gets nothing.
        default_profile: what it gets without asking; the only profile, where there is one.
        registration_id_patterns: for which devices.
        work_order_required: whether each request must name a work order.
        replacement_reasons: names without prefix, such as `REWORK`, for which it may replace certificates.
        per_minute, per_day: how many certificates at most; None: no limit.
        enabled: whether it may call at all.
        valid_until: seconds since 1970 after which it may not; None: no such end.
        revoked_serials: serial numbers of its certificates that are not accepted any more.
    """

    name: str
    line: str
    identity: Identity
    roles: frozenset[Role]
    profiles: tuple[str, ...] = ()
    default_profile: str | None = None
    registration_id_patterns: RegistrationIdPatterns = field(default_factory=RegistrationIdPatterns)
    work_order_required: bool = False
    replacement_reasons: frozenset[str] = frozenset()
    per_minute: int | None = None
    per_day: int | None = None
    enabled: bool = True
    valid_until: float | None = None
    revoked_serials: frozenset[int] = frozenset()


class Stations:
    """The callers of a service, found by their certificates. Immutable: a new file makes a new object."""

    def __init__(self, stations: Iterable[Station] = ()) -> None:
        listed = tuple(stations)
        self.by_name: Mapping[str, Station] = MappingProxyType({station.name: station for station in listed})
        self._by_identity = {station.identity: station for station in listed}

    @classmethod
    def load(cls, path: Path, *, station_cas: StationCas, profiles: Collection[str]) -> Self:
        """Read `stations.toml`.

        Args:
            path: the file.
            station_cas: the CAs that an identity may name.
            profiles: the names of the profiles that there are.

        Raises:
            ConfigurationError: the file cannot be read, or an entry is wrong; the message says which and where.
        """
        return cls.of(toml_file.read(path, FIND_STATIONS), station_cas=station_cas, profiles=profiles)

    @classmethod
    def of(cls, document: Document, *, station_cas: StationCas, profiles: Collection[str]) -> Self:
        """The same for a file that was read before, or is to be written.

        Raises:
            ConfigurationError: an entry is wrong.
        """
        try:
            entries = StationsFile.model_validate(document.data).stations
        except ValidationError as error:
            raise document.error(*toml_file.first_problem(error)) from None
        checks = _Checks(document, station_cas, profiles)
        return cls(checks.station(index, entry) for index, entry in enumerate(entries))

    def admit(self, peer: PeerCertificate, now: float) -> Station:
        """The caller that `peer` belongs to, if it may call at `now`, in seconds since 1970.

        Raises:
            Refused: CALLER_UNKNOWN, CALLER_CERTIFICATE_EXPIRED, CALLER_CERTIFICATE_REVOKED or CALLER_DISABLED.
        """
        station = self._station_of(peer)
        if not peer.not_before <= now <= peer.not_after:
            raise Refused(reasons.ERROR_REASON_CALLER_CERTIFICATE_EXPIRED, _outside_validity(peer, now))
        if peer.serial in station.revoked_serials:
            raise Refused(
                reasons.ERROR_REASON_CALLER_CERTIFICATE_REVOKED,
                f"this client certificate of {station.name} was revoked: give the caller a new one",
            )
        if not station.enabled:
            raise Refused(
                reasons.ERROR_REASON_CALLER_DISABLED,
                f"{station.name} is disabled: its entry in stations.toml says enabled = false",
            )
        if station.valid_until is not None and now > station.valid_until:
            raise Refused(
                reasons.ERROR_REASON_CALLER_DISABLED,
                f"{station.name} is disabled: valid_until of its entry in stations.toml was "
                f"{_utc(station.valid_until)}",
            )
        return station

    def _station_of(self, peer: PeerCertificate) -> Station:
        found = {
            station.name: station
            for identity in peer.identities
            if (station := self._by_identity.get(identity)) is not None
        }
        # A certificate that two entries claim has no line and no rights that one could be sure of.
        if len(found) == 1:
            return found.popitem()[1]
        which = "no entry" if not found else "more than one entry"
        raise Refused(
            reasons.ERROR_REASON_CALLER_UNKNOWN,
            f"the client certificate belongs to {which} of stations.toml: "
            "add the caller with `linecert-server station add`; if it was added, the server's log says why that "
            "stations.toml is not in force",
        )


class _Checks:
    """What an entry must agree on with the installation and with the entries before it."""

    def __init__(self, document: Document, station_cas: StationCas, profiles: Collection[str]) -> None:
        self._document = document
        self._cas = station_cas.fingerprints
        self._profiles = profiles
        self._names: set[str] = set()
        self._identities: set[Identity] = set()

    def station(self, index: int, entry: StationEntry) -> Station:
        identity = Identity(self._ca(index, entry.identity), entry.identity.kind, entry.identity.value)
        if entry.name in self._names:
            raise self._error(
                index, "name", "is that of an earlier entry: names are recorded, so each caller has its own"
            )
        if identity in self._identities:
            raise self._error(index, "identity", "is that of an earlier entry: one certificate, one caller")
        if unknown := [name for name in entry.profiles if name not in self._profiles]:
            raise self._error(index, "profiles", f"names {unknown[0]}, which is no profile of linecert.toml")
        self._names.add(entry.name)
        self._identities.add(identity)
        return _station(entry, identity)

    def _ca(self, index: int, entry: IdentityEntry) -> str:
        if entry.ca is None and len(self._cas) == 1:
            return self._cas[0]
        if entry.ca is None:
            raise self._error(
                index,
                "identity",
                "needs ca, the SHA-256 of the station CA's certificate: the client CA file holds several",
            )
        if entry.ca not in self._cas:
            raise self._error(
                index,
                "identity",
                "has a ca that is no certificate of the client CA file: add it there, or take the entry out",
            )
        return entry.ca

    def _error(self, index: int, setting: str, problem: str) -> ConfigurationError:
        return self._document.error(("stations", index, setting), problem)


def _station(entry: StationEntry, identity: Identity) -> Station:
    only_profile = entry.profiles[0] if len(entry.profiles) == 1 else None
    return Station(
        name=entry.name,
        line=entry.line,
        identity=identity,
        roles=frozenset(role for name in entry.roles if (role := contract.role_named(name)) is not None),
        profiles=entry.profiles,
        default_profile=entry.default_profile or only_profile,
        registration_id_patterns=RegistrationIdPatterns(entry.registration_id_patterns),
        work_order_required=entry.work_order_required,
        replacement_reasons=frozenset(entry.replacement_reasons),
        per_minute=entry.per_minute,
        per_day=entry.per_day,
        enabled=entry.enabled,
        valid_until=entry.valid_until,
        revoked_serials=entry.revoked_serials,
    )


def _outside_validity(peer: PeerCertificate, now: float) -> str:
    if now < peer.not_before:
        return f"the client certificate is valid from {_utc(peer.not_before)} on: compare the clocks"
    return f"the client certificate expired at {_utc(peer.not_after)}: give the caller a new one"


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
