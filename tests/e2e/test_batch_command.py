"""`linecert batch` through crashes of either side: in the end each device has exactly one certificate."""

import subprocess
import time
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_client import keys
from linecert_client.keys import KeyType
from support import audit_log
from support.server import LINECERT, STATION, ServerProcess

DEVICES: Final = [f"device-{number:04}" for number in range(1100)]
"""Three calls."""
PATIENCE_SECONDS: Final = 100


class Batch:
    """A manifest of all devices and the command that works through it."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self._server = server
        self.out = folder / "out"
        self.manifest = folder / "devices.csv"
        self.manifest.write_text("\n".join(("registration_id", *DEVICES, "")))

    def start(self) -> "subprocess.Popen[str]":
        """The command, running."""
        client = self._server.installation.layout.client(STATION)
        command = [
            LINECERT,
            "-C",
            str(client),
            "batch",
            str(self.manifest),
            "--out",
            str(self.out),
            "--deadline",
            "60s",
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")

    def in_the_middle(self) -> "subprocess.Popen[str]":
        """The command, when it has delivered something and has more to do."""
        process = self.start()
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.chains() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        assert process.poll() is None, process.communicate()
        assert 0 < len(self.chains()) < len(DEVICES)
        return process

    def chains(self) -> list[Path]:
        """The chains that are delivered."""
        return list(self.out.glob("*.chain.pem"))

    def check(self) -> None:
        """Each device has its one certificate of the log, for the key that is beside it."""
        log = audit_log.verified(self._server.installation)
        logged = {record.registration_id: record.certificate for record in log.certificates}
        assert len(log.certificates) == len(logged) == len(DEVICES) == len(self.chains())
        for device in DEVICES:
            leaf, *_ = x509.load_pem_x509_certificates((self.out / f"{device}.chain.pem").read_bytes())
            assert leaf.public_bytes(Encoding.DER) == logged[device]
            key = keys.key_from_pem((self.out / f"{device}.key.pem").read_bytes())
            assert leaf.public_key() == key.public_key()


@pytest.fixture
def batch(server: ServerProcess, tmp_path: Path) -> Batch:
    """A batch for a running server."""
    return Batch(server, tmp_path)


def ended(process: "subprocess.Popen[str]") -> str:
    """What a command that succeeds has printed."""
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    return output


def test_the_client_is_killed(batch: Batch) -> None:
    """As by a power cut, in the middle: the same command again finishes what is left, and a third time asks nobody."""
    process = batch.in_the_middle()
    process.kill()
    process.communicate()
    assert len(batch.chains()) < len(DEVICES)
    again = ended(batch.start())
    assert "already there" in again
    batch.check()
    before = {path: path.read_bytes() for path in batch.chains()}
    assert f"already there: not asked again   {len(DEVICES)}" in ended(batch.start())
    assert {path: path.read_bytes() for path in batch.chains()} == before


def test_the_server_is_killed(server: ServerProcess, batch: Batch) -> None:
    """In the middle, and starts again: the command waits for it and finishes, and nobody has a second certificate."""
    process = batch.in_the_middle()
    server.kill()
    server.start()
    ended(process)
    batch.check()


def test_csrs_of_a_folder(server: ServerProcess, batch: Batch, tmp_path: Path) -> None:
    """Devices that made their own keys: a repeat into another folder gets the same certificates."""
    folder = tmp_path / "csrs"
    folder.mkdir()
    for device in DEVICES[:20]:
        (folder / f"{device}.csr.pem").write_bytes(keys.make_csr(keys.generate(KeyType.P256), device))
    batch.manifest = folder
    ended(batch.start())
    first = {path.name: path.read_bytes() for path in batch.chains()}
    batch.out = tmp_path / "again"
    assert "given again" in ended(batch.start())
    assert {path.name: path.read_bytes() for path in batch.chains()} == first
    assert len(first) == len(audit_log.verified(server.installation).certificates) == 20
