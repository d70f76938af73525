"""`linecert-server station add`: a credential for one more caller, and its entry in `stations.toml`."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from linecert_service import toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import files, offline, own_keys
from linecert_service.installation.credentials import Caller, Credentials, address_of
from linecert_service.installation.exclusive_edit import ExclusiveEdit, exclusive_edit
from linecert_service.installation.layout import Layout
from linecert_service.installation.stations_file import NewStation, with_station
from linecert_service.policy.identity import StationCas, fingerprint
from linecert_service.policy.stations import FIND_STATIONS, Stations
from linecert_service.setting_types import check_listen


@dataclass(frozen=True, slots=True)
class AddOptions:
    """What `station add` is asked for.

    Attributes:
        name: of the caller.
        line: its manufacturing line; empty for none.
        roles: as `stations.toml` writes them; the first stands in the identity.
        profiles: what it may ask for; none: the only profile, for a station.
        address: HOST:PORT of the server for its `client.toml`; None: this machine.
    """

    name: str
    line: str = ""
    roles: Sequence[str] = ("station",)
    profiles: Sequence[str] = ()
    address: str | None = None


def add_station(settings: Settings, options: AddOptions, now: datetime) -> Path:
    """Make a key and certificate for a caller and list it.

    Returns:
        The folder to give to the caller.

    Raises:
        ConfigurationError: there is such a caller, an option is wrong, or the station CA's key is not there. Nothing
            was made then.
    """
    _check(settings, options)
    with exclusive_edit(settings.stations, FIND_STATIONS) as edit:
        return _add(settings, options, now, edit)


def _add(settings: Settings, options: AddOptions, now: datetime, edit: ExclusiveEdit) -> Path:
    # 1. The entry, judged as the server will judge it.
    layout = Layout(settings.folder)
    station_cas = StationCas.load(settings.server.client_ca)
    station_ca = offline.authority(layout.station_ca_key, station_cas.certificates)
    caller = Caller(options.name, options.roles[0], settings.log.name)
    ca = fingerprint(station_ca.certificate) if len(station_cas.certificates) > 1 else None
    station = NewStation(caller, options.line, options.roles, _profiles(settings, options), ca)
    text = _listed(settings, station, station_cas, edit.document)

    # 2. The credential.
    credentials = Credentials(
        station_ca=station_ca,
        server_ca=layout.server_ca.read_bytes(),
        address=options.address or address_of(settings.server.listen),
        now=now,
    )
    with _kept_on_success(layout.client(options.name)) as folder:
        sha256 = credentials.write(folder, caller)

        # 3. Its key is refused as a device's before the server knows the caller.
        if settings.own_keys is not None:
            own_keys.record(settings.own_keys, [(caller.name, sha256)])

        # 4. The caller is known.
        edit.write(text)
    return folder


def _check(settings: Settings, options: AddOptions) -> None:
    checks = {"NAME": (toml_file.check_name, options.name)}
    if options.line:
        checks["--line"] = (toml_file.check_name, options.line)
    if options.address is not None:
        checks["--address"] = (check_listen, options.address)
    for option, (check, value) in checks.items():
        try:
            check(value)
        except ValueError as error:
            raise ConfigurationError(f"{option} {error}") from error
    if "station" in options.roles and not options.line:
        raise ConfigurationError(f"name the manufacturing line of {options.name} with --line")
    if not set(options.profiles) <= settings.profiles.keys():
        raise ConfigurationError(
            f"--profile takes what {settings.path.name} has as [profiles.NAME]: {', '.join(settings.profiles)}"
        )


def _profiles(settings: Settings, options: AddOptions) -> Sequence[str]:
    if options.profiles or "station" not in options.roles:
        return options.profiles
    if len(settings.profiles) == 1:
        return tuple(settings.profiles)
    raise ConfigurationError(f"name what {options.name} may ask for with --profile: {', '.join(settings.profiles)}")


def _listed(settings: Settings, station: NewStation, station_cas: StationCas, document: toml_file.Document) -> str:
    path = document.path
    before = Stations.of(document, station_cas=station_cas, profiles=settings.profiles)
    if station.caller.name in before.by_name:
        raise ConfigurationError(
            f"{path} lists {station.caller.name} already: choose another name, or remove that entry"
        )
    text = with_station(document.text, station)
    Stations.of(toml_file.parse(text, path), station_cas=station_cas, profiles=settings.profiles)
    return text


@contextmanager
def _kept_on_success(folder: Path) -> Iterator[Path]:
    if folder.exists():
        raise ConfigurationError(f"{folder} is there already: move it away, or choose another name")
    try:
        folder.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
