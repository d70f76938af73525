"""`linecert-server init`: a working installation in an empty folder."""

import itertools
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from linecert.transparency import VerifierKey
from linecert_service.config import (
    DEFAULT_HEALTH_LISTEN,
    DEFAULT_LISTEN,
    DEFAULT_METRICS_LISTEN,
)
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import files, own_keys, server_certificate, templates
from linecert_service.installation.authorities import (
    Authority,
    CaKey,
    CaKeyType,
    Validity,
    distinguished_name,
    new_key,
    spki_sha256,
)
from linecert_service.installation.credentials import Caller, Credentials, address_of, private_pem
from linecert_service.installation.layout import Layout
from linecert_service.installation.stations_file import NewStation, with_station
from linecert_service.setting_types import check_listen, collide

_YEAR: Final = timedelta(days=365)
_FIRST_EPOCH: Final = 1
_MAX_NAME: Final = 40
_MAX_ORGANIZATION: Final = 64  # ub-organization-name of RFC 5280
_NAME: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{_MAX_NAME}}}")
_PASSPHRASE_OCTETS: Final = 32
_LISTENING: Final = ("listen", "metrics_listen", "health_listen")


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What `init` is asked for.

    Attributes:
        name: of the installation: log origin, identities, CA names.
        key_type: of root and issuer; all other keys are P-256.
        listen, metrics_listen, health_listen: HOST:PORT, as in `[server]`.
        hosts: further names and addresses under which callers reach the server.
        organization: O in the names of the CAs.
    """

    name: str
    key_type: CaKeyType = "p256"
    listen: str = DEFAULT_LISTEN
    metrics_listen: str = DEFAULT_METRICS_LISTEN
    health_listen: str = DEFAULT_HEALTH_LISTEN
    hosts: tuple[str, ...] = ()
    organization: str | None = None


def create(folder: Path, options: InitOptions, now: datetime) -> Layout:
    """Make an installation. It appears in `folder` when it is complete.

    Raises:
        ConfigurationError: the folder is not empty, or an option is wrong. Nothing was made then.
    """
    _check(options)
    with _appearing_at(folder.absolute()) as beside:
        _Build(Layout(beside), options, now).run()
    return Layout(folder)


def default_name() -> str:
    """The first label of the host name, as far as it makes a name."""
    label = re.sub("[^A-Za-z0-9_-]", "-", socket.gethostname().split(".")[0])[:_MAX_NAME]
    return label or "linecert"


@contextmanager
def _appearing_at(folder: Path) -> Iterator[Path]:
    """A folder whose content is in `folder` in the end, or gone when anything fails."""
    if not folder.exists():
        with _naming(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
        with _scratch(folder, folder.parent) as made:
            yield made
            made.chmod(files.FOLDER)
            made.replace(folder)
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: name a folder that does not exist yet, or an empty one")
    # An empty folder may be a volume, which cannot be renamed: fill it, the settings last.
    with _scratch(folder, folder) as made:
        yield made
        for item in sorted(made.iterdir(), key=lambda item: item.name == Layout(made).settings.name):
            item.replace(folder / item.name)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be made ({error.strerror}): name a folder where this user may write"
        ) from error


@contextmanager
def _scratch(folder: Path, parent: Path) -> Iterator[Path]:
    """A folder in `parent` to make what is to be in `folder`."""
    with _naming(folder):
        made = Path(tempfile.mkdtemp(prefix=".linecert-init.", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check(options: InitOptions) -> None:
    if not _NAME.fullmatch(options.name):
        raise ConfigurationError(f"--name takes 1 to {_MAX_NAME} letters, digits, '.', '_' and '-'")
    for name in _LISTENING:
        try:
            check_listen(getattr(options, name))
        except ValueError as error:
            raise ConfigurationError(f"{_option(name)} {error}") from error
    for one, other in itertools.combinations(_LISTENING, 2):
        if collide(getattr(options, one), getattr(options, other)):
            raise ConfigurationError(
                f"{_option(one)} and {_option(other)} have the same port: give each one of its own"
            )
    server_certificate.check_hosts(options.hosts)
    organization = options.organization
    if organization is not None and (not organization.isprintable() or not 1 <= len(organization) <= _MAX_ORGANIZATION):
        raise ConfigurationError(f"--subject-organization takes 1 to {_MAX_ORGANIZATION} printable characters")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


class _Build:
    """Makes one installation, in the order of `run`."""

    def __init__(self, layout: Layout, options: InitOptions, now: datetime) -> None:
        self._layout = layout
        self._options = options
        self._now = now
        self._keys: list[tuple[str, bytes]] = []

    def run(self) -> None:
        for folder in (self._layout.pki, self._layout.offline, self._layout.clients):
            folder.mkdir(mode=files.PRIVATE_FOLDER)
        self._device_chain()
        station_ca = self._authority("station-ca", "station CA", self._layout.station_ca_key)
        server_ca = self._authority("server-ca", "server CA", self._layout.server_ca_key)
        self._server(server_ca)
        self._log()
        self._settings()
        self._stations(station_ca, server_ca.certificate.public_bytes(Encoding.PEM))
        own_keys.record(self._layout.own_keys, self._keys)

    def _device_chain(self) -> None:
        root = Authority.self_signed(
            self._name("device root CA"),
            self._key("root", self._options.key_type),
            self._for(30 * _YEAR),
            path_length=None,
        )
        issuer = root.intermediate(
            self._name("device issuing CA"), self._key("issuer", self._options.key_type), self._for(20 * _YEAR)
        )
        passphrase = secrets.token_urlsafe(_PASSPHRASE_OCTETS).encode()
        chain = b"".join(ca.certificate.public_bytes(Encoding.PEM) for ca in (issuer, root))
        files.write_new(self._layout.pki / "issuer.chain.pem", chain)
        files.write_new(self._layout.pki / "issuer.passphrase", passphrase + b"\n", files.PRIVATE)
        files.write_new(self._layout.pki / "issuer.key.pem", private_pem(issuer.private_key, passphrase), files.PRIVATE)
        files.write_new(self._layout.root, root.certificate.public_bytes(Encoding.PEM))
        files.write_new(self._layout.root_key, private_pem(root.private_key), files.PRIVATE)

    def _authority(self, file_name: str, title: str, key_path: Path) -> Authority:
        authority = Authority.self_signed(
            self._name(title), self._key(title, "p256"), self._for(10 * _YEAR), path_length=0
        )
        files.write_new(self._layout.pki / f"{file_name}.pem", authority.certificate.public_bytes(Encoding.PEM))
        files.write_new(key_path, private_pem(authority.private_key), files.PRIVATE)
        return authority

    def _server(self, server_ca: Authority) -> None:
        key = self._key("server", "p256")
        hosts = server_certificate.hosts_of(self._options.listen, self._options.hosts)
        certificate = server_certificate.issue(server_ca, key.public_key(), hosts, self._now)
        files.write_new(self._layout.pki / "server.pem", certificate.public_bytes(Encoding.PEM))
        files.write_new(self._layout.pki / "server.key.pem", private_pem(key), files.PRIVATE)

    def _log(self) -> None:
        key = Ed25519PrivateKey.generate()
        self._keys.append(("log", spki_sha256(key.public_key())))
        verifier_key = VerifierKey(f"{self._options.name}/{_FIRST_EPOCH}", key.public_key())
        files.write_new(self._layout.pki / "log.key.pem", private_pem(key), files.PRIVATE)
        files.write_new(self._layout.pki / "log.pub", f"{verifier_key}\n".encode())

    def _settings(self) -> None:
        text = templates.SETTINGS.format(
            name=self._options.name,
            listen=self._options.listen,
            metrics_listen=self._options.metrics_listen,
            health_listen=self._options.health_listen,
        )
        files.write_new(self._layout.settings, text.encode())

    def _stations(self, station_ca: Authority, server_ca_pem: bytes) -> None:
        text = templates.STATIONS
        credentials = Credentials(station_ca, server_ca_pem, address_of(self._options.listen), self._now)
        for role, line, profiles in (("station", "line-01", ("device",)), ("auditor", "", ()), ("planner", "", ())):
            caller = Caller(f"{role}-01", role, self._options.name)
            folder = self._layout.client(caller.name)
            sha256 = credentials.write(folder, caller)
            self._keys.append((caller.name, sha256))
            text = with_station(text, NewStation(caller, line, (role,), profiles))
        files.write_new(self._layout.stations, text.encode())

    def _key(self, purpose: str, kind: CaKeyType) -> CaKey:
        key = new_key(kind)
        self._keys.append((purpose, spki_sha256(key.public_key())))
        return key

    def _name(self, title: str) -> x509.Name:
        return distinguished_name(f"{self._options.name} {title}", self._options.organization)

    def _for(self, lifetime: timedelta) -> Validity:
        return Validity(self._now, lifetime)
