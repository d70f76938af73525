"""Changes of callers that are listed: `linecert-server station disable`, `enable`, `revoke` and `rotate`."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from linecert_service import toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, offline, own_keys, stations_file
from linecert_service.installation.credentials import CERTIFICATE, Credentials, address_of
from linecert_service.installation.exclusive_edit import ExclusiveEdit, exclusive_edit
from linecert_service.installation.layout import Layout
from linecert_service.policy.identity import StationCas, fingerprint
from linecert_service.policy.station_entry import read_serial
from linecert_service.policy.stations import FIND_STATIONS, Station, Stations


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new credential.

    Attributes:
        folder: to be given to the caller.
        old_serial: of the certificate before, where it is known.
        revoked: whether that one is refused now.
    """

    folder: Path
    old_serial: int | None
    revoked: bool


class StationEditor:
    """Changes one entry of `stations.toml`, and judges the outcome as the server will before it is written.

    Args:
        settings: of the installation.
        name: of the caller.
        edit: the file, which nobody else changes.

    Attributes:
        station: as it is listed.
        station_cas: the client CA file.

    Raises:
        ConfigurationError: the file is wrong, or does not list the caller.
    """

    def __init__(self, settings: Settings, name: str, edit: ExclusiveEdit) -> None:
        self._settings = settings
        self._edit = edit
        self.station_cas = StationCas.load(settings.server.client_ca)
        self._text = edit.document.text
        listed = self._judged(self._text).by_name
        if name not in listed:
            raise ConfigurationError(
                f"{settings.stations} lists no such caller: `linecert-server station list` shows those that there are"
            )
        self.station: Station = listed[name]

    def apply(self, change: Callable[[str], str]) -> None:
        """Have the text of the file changed.

        Raises:
            ConfigurationError: the outcome would be wrong; nothing is written then.
        """
        text = change(self._text)
        self._judged(text)
        self._text = text

    def write(self) -> None:
        """Write what was changed.

        Raises:
            ConfigurationError: somebody else has changed the file; nothing is written then.
        """
        self._edit.write(self._text)

    def _judged(self, text: str) -> Stations:
        document = toml_file.parse(text, self._settings.stations)
        return Stations.of(document, station_cas=self.station_cas, profiles=self._settings.profiles)


@contextmanager
def _editing(settings: Settings, name: str) -> Iterator[StationEditor]:
    with exclusive_edit(settings.stations, FIND_STATIONS) as edit:
        yield StationEditor(settings, name, edit)


def set_enabled(settings: Settings, name: str, *, enabled: bool) -> None:
    """Lock a caller out, or let it in again.

    Raises:
        ConfigurationError: there is no such caller, or the file is wrong.
    """
    with _editing(settings, name) as editor:
        editor.apply(lambda text: stations_file.with_enabled(text, name, enabled=enabled))
        editor.write()


def revoke(settings: Settings, name: str, serials: list[str]) -> None:
    """Refuse certificates of a caller from now on, by their serial numbers in hex.

    Raises:
        ConfigurationError: there is no such caller, a serial number is none, or the file is wrong.
    """
    try:
        numbers = [read_serial(serial) for serial in serials]
    except ValueError as error:
        raise ConfigurationError(f"SERIAL {error}") from error
    with _editing(settings, name) as editor:
        editor.apply(lambda text: stations_file.with_revoked(text, name, numbers))
        editor.write()


def rotate(settings: Settings, name: str, now: datetime, *, keep_old: bool) -> Rotated:
    """Make a new key and certificate for a caller, under the identity that it has.

    Args:
        settings: of the installation.
        name: of the caller.
        now: the time.
        keep_old: leave the certificate before as good as it is.

    Raises:
        ConfigurationError: there is no such caller, its identity is no URI, the station CA's key is not there, or it
            cannot be told which certificate is to be revoked. Nothing was changed then.
    """
    with _editing(settings, name) as editor:
        return _rotate(settings, editor, now, keep_old=keep_old)


def _rotate(settings: Settings, editor: StationEditor, now: datetime, *, keep_old: bool) -> Rotated:
    # 1. What is to be, judged as the server will judge it.
    layout, name = Layout(settings.folder), editor.station.name
    station_ca = offline.authority(layout.station_ca_key, editor.station_cas.certificates)
    _check_identity(editor.station)
    folder = layout.client(name)
    old_serial = _serial_in(folder)
    if not keep_old:
        if old_serial is None:
            raise ConfigurationError(
                f"{folder / CERTIFICATE} is not there, so it is not known which certificate to revoke: bring it back "
                "from the caller's machine, or use --keep-old and `linecert-server station revoke`"
            )
        editor.apply(lambda text: stations_file.with_revoked(text, name, [old_serial]))
    _move(editor, fingerprint(station_ca.certificate), keep_old=keep_old)

    # 2. The credential, beside the old one.
    credentials = Credentials(station_ca, layout.server_ca.read_bytes(), address_of(settings.server.listen), now)
    with _staged(folder) as staged:
        sha256 = credentials.renew(staged, name, editor.station.identity.value)
        files.give_as(folder, staged)

        # 3. Its key is refused as a device's before the caller has it.
        if settings.own_keys is not None:
            own_keys.record(settings.own_keys, [(name, sha256)])

        # 4. The one takes the other's place, and 5. the old one is refused.
        with _exchanged(folder, staged):
            editor.write()
    return Rotated(folder, old_serial, revoked=not keep_old)


def _check_identity(station: Station) -> None:
    if station.identity.kind != "uri":
        raise ConfigurationError(
            f"{station.name} is known by {station.identity.kind}, and certificates are made here for an identity of "
            "kind uri: have the new one made where the old one came from, then revoke the old one with "
            "`linecert-server station revoke`"
        )


def _serial_in(folder: Path) -> int | None:
    path = folder / CERTIFICATE
    return chains.read_certificates(path, "the caller's certificate")[0].serial_number if path.exists() else None


def _move(editor: StationEditor, ca: str, *, keep_old: bool) -> None:
    """Let the entry name the CA that signs now, where that is another one than before."""
    station = editor.station
    if station.identity.ca == ca:
        return
    if keep_old:
        raise ConfigurationError(
            f"{station.name} moves to another station CA, and an entry names one: its old certificate cannot be kept"
        )
    editor.apply(lambda text: stations_file.with_ca(text, station.name, ca))


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A copy of the folder, if there is one, with all that the caller keeps there; gone when anything fails."""
    staged = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        folder.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        if folder.exists():
            shutil.copytree(folder, staged, symlinks=True)
        else:
            staged.mkdir(mode=files.PRIVATE_FOLDER)
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def _exchanged(folder: Path, staged: Path) -> Iterator[None]:
    """The staged folder in the place of the other one, which comes back when anything fails.

    Whole folders, so that key and certificate fit together at each moment.
    """
    before = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    try:
        staged.rename(folder)
        yield
    except BaseException:
        if folder.exists():
            folder.rename(staged)
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)
