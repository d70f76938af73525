"""Where things stand in an installation that `init` made."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of the installation in `folder`."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What `--config` names."""
        return self.folder / "linecert.toml"

    @property
    def stations(self) -> Path:
        """Who may call."""
        return self.folder / "stations.toml"

    @property
    def pki(self) -> Path:
        """What the server needs to run: certificates, and the keys of issuer, server and log."""
        return self.folder / "pki"

    @property
    def offline(self) -> Path:
        """The keys of root, station CA and server CA, to be taken away."""
        return self.folder / "offline"

    @property
    def own_keys(self) -> Path:
        """Hashes of the keys that were made here."""
        return self.pki / "own-keys.txt"

    @property
    def log_pub(self) -> Path:
        """The verifier keys of the log, of the current epoch first."""
        return self.pki / "log.pub"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints that were published, for operators to ship elsewhere."""
        return self.folder / "checkpoints.txt"

    @property
    def log_state(self) -> Path:
        """The newest checkpoint that the server has signed, which it compares the log with."""
        return self.folder / "log-state.txt"

    @property
    def server_ca(self) -> Path:
        """What callers check the server's certificate against."""
        return self.pki / "server-ca.pem"

    @property
    def root_key(self) -> Path:
        """The key of the root of device certificates."""
        return self.offline / "root.key.pem"

    @property
    def root(self) -> Path:
        """The certificate of the root of device certificates, for whoever signs with its key elsewhere."""
        return self.offline / "root.pem"

    @property
    def station_ca_key(self) -> Path:
        """The key that signs callers' certificates."""
        return self.offline / "station-ca.key.pem"

    @property
    def server_ca_key(self) -> Path:
        """The key that signs server certificates."""
        return self.offline / "server-ca.key.pem"

    @property
    def clients(self) -> Path:
        """What callers are given, a folder each."""
        return self.folder / "clients"

    def client(self, name: str) -> Path:
        """What the caller `name` is given."""
        return self.clients / name
