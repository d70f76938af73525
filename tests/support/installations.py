"""Installations for tests: what `linecert-server init` makes, made once a process and copied."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509

from linecert_service import config
from linecert_service.config import Settings
from linecert_service.installation import chains, offline
from linecert_service.installation.authorities import Authority, CaKeyType
from linecert_service.installation.init import InitOptions, create
from linecert_service.installation.layout import Layout
from linecert_service.policy.identity import PeerCertificate, StationCas
from linecert_service.policy.stations import Stations

NAME = "test-factory"

_LISTEN = "127.0.0.1:8443"
_METRICS_LISTEN = "127.0.0.1:9464"
_HEALTH_LISTEN = "127.0.0.1:8086"


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation in `folder`, with shortcuts to what tests look at."""

    folder: Path

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout(self.folder)

    @property
    def config(self) -> Path:
        """Its linecert.toml."""
        return self.layout.settings

    def settings(self) -> Settings:
        """Its settings, read now."""
        return config.load(self.config)

    def chain(self) -> tuple[x509.Certificate, ...]:
        """Issuer and root."""
        return chains.read_certificates(self.layout.pki / "issuer.chain.pem", "chain")

    def station_cas(self) -> StationCas:
        """The client CA file."""
        return StationCas.load(self.layout.pki / "station-ca.pem")

    def station_ca(self) -> Authority:
        """The station CA with its key."""
        return offline.authority(self.layout.station_ca_key, self.station_cas().certificates)

    def root(self) -> Authority:
        """The root of device certificates with its key."""
        return offline.authority(self.layout.root_key, self.chain())

    def stations(self) -> Stations:
        """The callers of stations.toml."""
        settings = self.settings()
        return Stations.load(settings.stations, station_cas=self.station_cas(), profiles=settings.profiles)

    def peer(self, name: str) -> PeerCertificate:
        """The certificate of the caller `name`, as the server reads it."""
        return PeerCertificate.parse((self.layout.client(name) / "certificate.pem").read_bytes(), self.station_cas())

    def edit(self, old: str, new: str, *, file: str = "linecert.toml") -> None:
        """Replace text that is there in one of the files."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new))


def make_installation(
    folder: Path,
    *,
    key_type: CaKeyType = "p256",
    listen: str = _LISTEN,
    metrics_listen: str = _METRICS_LISTEN,
    health_listen: str = _HEALTH_LISTEN,
) -> Installation:
    """A fresh installation in `folder`, which must not exist yet. Those of one process share their keys.

    `listen` must be on the loopback: the clients call localhost at its port.
    """
    shutil.copytree(_template(key_type), folder)
    installation = Installation(folder)
    for old, new in ((_LISTEN, listen), (_METRICS_LISTEN, metrics_listen), (_HEALTH_LISTEN, health_listen)):
        installation.edit(f'"{old}"', f'"{new}"')
    port = listen.rpartition(":")[2]
    for client in installation.layout.clients.iterdir():
        installation.edit("localhost:8443", f"localhost:{port}", file=f"clients/{client.name}/client.toml")
    return installation


@cache
def _template(key_type: CaKeyType) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="linecert-tests."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    options = InitOptions(NAME, key_type, listen=_LISTEN, metrics_listen=_METRICS_LISTEN, health_listen=_HEALTH_LISTEN)
    return create(folder / "template", options, datetime.now(UTC)).folder
