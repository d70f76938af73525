"""What of a running server's files is in force, and how each of them is replaced.

Files are read in a thread, and what they say is put in force in the event loop, in one go: no call sees half of it.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from linecert_service.config import Settings
from linecert_service.csr import deny_list
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.clock import Clock
from linecert_service.installation import trust
from linecert_service.installation.trust import Trust
from linecert_service.issuance.profiles import ProfileTable
from linecert_service.observability.metrics import Metrics
from linecert_service.observability.profile_watch import ProfileWatch
from linecert_service.policy.identity import StationCas
from linecert_service.policy.station_changes import StationChanges
from linecert_service.policy.stations import Stations
from linecert_service.reloading.files import FileWatch
from linecert_service.reloading.profiles import Renewal, SettingsReader
from linecert_service.reloading.reloader import InForceInPart, Outcome, Reloader, Source
from linecert_service.rpc.identity import Callers
from linecert_service.rpc.tls import LiveTls, Tls

_T = TypeVar("_T")
_WITHOUT_GONE: Final = "all but the entries of CAs that are not in the client CA file"
_log = structlog.get_logger("linecert.reload")


@dataclass(frozen=True, slots=True)
class Watches:
    """Watches the files of an installation. Made before they are read first, so that no change is missed.

    Attributes:
        settings: `linecert.toml`.
        callers: `stations.toml` and the client CA file, which must fit together.
        certificate: the server's, with its key.
        denied_keys, own_keys: the lists of keys that are refused as devices'; None: there is none.
    """

    settings: FileWatch
    callers: FileWatch
    certificate: FileWatch
    denied_keys: FileWatch | None
    own_keys: FileWatch | None

    @classmethod
    def of(cls, settings: Settings) -> "Watches":
        """The watches over what the settings name."""
        server, denied, own = settings.server, settings.denied_keys, settings.own_keys
        return cls(
            settings=FileWatch([settings.path]),
            callers=FileWatch([settings.stations, server.client_ca]),
            certificate=FileWatch([server.tls_certificate, server.tls_key]),
            denied_keys=FileWatch([denied]) if denied else None,
            own_keys=FileWatch([own]) if own else None,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a server that go by these files.

    Attributes:
        callers: finds callers.
        checker: refuses keys.
        tls: shakes hands.
        metrics: knows when the server's certificate ends.
        changes: tells the log of stations.
        profiles: the profiles that can be asked for.
        profile_watch: tells the log of profiles.
        reader: reads the settings.
        keep_open: sees that what is opened is closed when nothing is under way any more.
    """

    callers: Callers
    checker: CsrChecker
    tls: LiveTls
    metrics: Metrics
    changes: StationChanges
    profiles: ProfileTable
    profile_watch: ProfileWatch
    reader: SettingsReader
    keep_open: Callable[[Callable[[], None]], object]


class Live:
    """Keeps the parts of a server by its files. Belongs to the event loop.

    Args:
        settings: name the files.
        clock: the time.
        trusted: what is in force first.
        denied: keys on the operator's deny list, likewise.
        parts: what goes by the files.
    """

    def __init__(
        self, settings: Settings, clock: Clock, trusted: Trust, denied: frozenset[bytes], parts: Parts
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._trusted = trusted
        self._denied = denied
        self._parts = parts
        self._waiting: tuple[str, ...] = ()
        # What the entries of `stations.toml` may name when it does not fit the client CA file: what it fitted last.
        self._fitted = trusted.station_cas
        self._callers_failed = False

    def reloader(self, watches: Watches, asked: asyncio.Event) -> Reloader:
        """What reads the files when they change, or all of them when `asked` is set."""
        sources = []
        if watches.denied_keys is not None:
            sources.append(Source(("denied_keys",), watches.denied_keys, self.reload_denied_keys))
        # Before the callers: a new station's key is refused as a device's by the time that it is known.
        if watches.own_keys is not None:
            sources.append(Source(("own_keys",), watches.own_keys, self.reload_own_keys))
        # Before the settings: a station that is locked out does not wait until a key in a vault is opened.
        sources.append(Source(("stations", "client_ca"), watches.callers, self.reload_callers))
        sources.append(Source(("tls_certificate",), watches.certificate, self.reload_certificate))
        sources.append(Source(("settings",), watches.settings, self.reload_settings))
        return Reloader(sources, self._parts.metrics, asked, self._tell)

    async def reload_settings(self) -> Outcome:
        """Read `linecert.toml`, and take over its issuers and profiles.

        The callers' files are read again when the profiles are others, or when they did not pass: they may now.

        Requests that are planned go on with the issuer and the profile that they were planned with.
        """
        renewal, error = await _read(self._renewal)
        if renewal is None:
            return {"settings": error}
        for name in renewal.opened:
            self._parts.keep_open(renewal.trusted.issuers[name].signer.close)
        others = renewal.settings.profiles.keys() != self._settings.profiles.keys()
        self._settings, self._trusted = renewal.settings, renewal.trusted
        self._refuse_keys()
        self._parts.profiles.replace(renewal.profiles)
        self._tell_waiting(renewal.waiting)
        return {"settings": None, **(await self.reload_callers() if others or self._callers_failed else {})}

    async def reload_callers(self) -> Outcome:
        """Read `stations.toml` and the client CA file. A fault in one keeps nothing in force that the other took out.

        When they do not fit together the CAs of the file are in force, and with them the stations of the file as far as
        it fits the CAs that it fitted last, else the stations before: entries of a CA that is gone match nobody.
        """
        (station_cas, stations), outcome = await asyncio.to_thread(self._read_callers)
        self._callers_failed = any(outcome.values())
        if station_cas is not None:
            self._trusted = dataclasses.replace(self._trusted, station_cas=station_cas)
            if not self._callers_failed:
                self._fitted = station_cas
        if station_cas is not None or stations is not None:
            self._parts.callers.replace(self._trusted.station_cas, stations or self._parts.callers.stations)
        if stations is not None:
            self._parts.changes.note(stations)
        # After the callers: whoever passes TLS by a new station CA is known by then.
        if station_cas is not None:
            self._refuse_keys()
            self._show_tls()
        return outcome

    async def reload_certificate(self) -> Outcome:
        """Read the server's certificate and its key."""
        server, error = await _read(lambda: trust.load_server(self._settings, self._clock.time()))
        if server is not None:
            self._trusted = dataclasses.replace(self._trusted, server=server)
            self._refuse_keys()
            self._show_tls()
            show_server_certificate(self._parts.metrics, self._trusted)
        return {"tls_certificate": error}

    async def reload_denied_keys(self) -> Outcome:
        """Read the operator's deny list."""
        denied, error = await _read(lambda: load_denied_keys(self._settings))
        if denied is not None:
            self._denied = denied
            self._refuse_keys()
        return {"denied_keys": error}

    async def reload_own_keys(self) -> Outcome:
        """Read the keys that the installation has made; `station add` and `rotate` make some."""
        own_keys, error = await _read(lambda: trust.load_own_keys(self._settings))
        if own_keys is not None:
            self._trusted = dataclasses.replace(self._trusted, own_keys=own_keys)
            self._refuse_keys()
        return {"own_keys": error}

    def _renewal(self) -> Renewal:
        return self._parts.reader.read(self._settings, self._trusted, self._parts.callers.stations, self._clock.time())

    def _tell_waiting(self, waiting: tuple[str, ...]) -> None:
        if waiting and waiting != self._waiting:
            _log.warning("restart needed", file="settings", settings=waiting, in_force="what the server started with")
        self._waiting = waiting

    async def _tell(self) -> None:
        await self._parts.changes.settle()
        await self._parts.profile_watch.look()

    def _read_callers(self) -> tuple[tuple[StationCas | None, Stations | None], Outcome]:
        """What is to be put in force, None where what stands stays; and how it went."""
        station_cas, error = _tried(lambda: trust.load_station_cas(self._settings, self._trusted.all_issuers))
        stations, problem = self._read_stations(self._trusted.station_cas if station_cas is None else station_cas)
        return (station_cas, stations), {"client_ca": error, "stations": problem}

    def _read_stations(self, station_cas: StationCas) -> tuple[Stations | None, Exception | None]:
        stations, problem = _tried(lambda: load_stations(self._settings, station_cas))
        if problem is None or station_cas.fingerprints == self._fitted.fingerprints:
            return stations, problem
        stations, still = _tried(lambda: load_stations(self._settings, self._fitted))
        return stations, problem if still is not None else InForceInPart(str(problem), _WITHOUT_GONE)

    def _refuse_keys(self) -> None:
        self._parts.checker.refuse(taken=self._trusted.taken_keys, denied=self._denied)

    def _show_tls(self) -> None:
        self._parts.tls.replace(tls_of(self._trusted))


def load_stations(settings: Settings, station_cas: StationCas) -> Stations:
    """Read `stations.toml`.

    Raises:
        ConfigurationError: it is wrong, or names a CA that is not among `station_cas`.
    """
    return Stations.load(settings.stations, station_cas=station_cas, profiles=settings.profiles)


def load_denied_keys(settings: Settings) -> frozenset[bytes]:
    """Read the operator's deny list.

    Raises:
        ConfigurationError: it is wrong.
    """
    return deny_list.read(settings.denied_keys) if settings.denied_keys else frozenset()


def tls_of(trusted: Trust) -> Tls:
    """What the server shows and trusts in a handshake."""
    return Tls(trusted.server.key_pem, trusted.server.certificate_pem, trusted.station_cas.pem)


def show_server_certificate(metrics: Metrics, trusted: Trust) -> None:
    """Show in the metrics when the server's certificate ends."""
    end = trusted.server.certificate.not_valid_after_utc
    metrics.server_certificate_not_after_timestamp_seconds.set(end.timestamp())


async def _read(load: Callable[[], _T]) -> tuple[_T | None, Exception | None]:
    return await asyncio.to_thread(_tried, load)


def _tried(load: Callable[[], _T]) -> tuple[_T | None, Exception | None]:
    try:
        return load(), None
    except Exception as error:  # noqa: BLE001 - whatever it is, what stands stays
        return None, error
