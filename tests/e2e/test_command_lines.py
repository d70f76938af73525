"""`linecert` and `linecert-server` as people run them: commands, files, exit statuses."""

import json
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from support import audit_log, csrs
from support.installations import Installation, make_installation
from support.openssl import needs_openssl, verify_client_chain
from support.server import AUDITOR, LINECERT, LINECERT_SERVER, PLANNER, STATION, ServerProcess, free_ports


def run(*command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command and hold it to its exit status."""
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert result.returncode == code, (command, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    return result


class Shell:
    """A shell beside a server: `linecert` in the name of a caller, with an output folder."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.out = installation.folder.parent / "out"

    def linecert(self, *arguments: str, caller: str = STATION, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `linecert`."""
        return run(LINECERT, "-C", str(self._installation.layout.client(caller)), *arguments, code=code)

    def answer(self, *arguments: str, caller: str = STATION) -> Any:
        """The JSON that it prints."""
        return json.loads(self.linecert(*arguments, "--json", caller=caller).stdout)

    def make(self, device: str, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `linecert make`."""
        return self.linecert("make", "--registration-id", device, "--out", str(self.out), *arguments, code=code)

    def sign(self, csr: bytes, *arguments: str, caller: str = STATION, code: int = 0) -> str:
        """Run `linecert sign`, and return what it says on stderr."""
        path = self._installation.folder.parent / "device.csr"
        path.write_bytes(csr)
        return self.linecert("sign", str(path), "--out", str(self.out), *arguments, caller=caller, code=code).stderr


@pytest.fixture
def shell(server: ServerProcess) -> Shell:
    """A shell beside a running server."""
    return Shell(server.installation)


@needs_openssl
def test_sign_and_make_write_chains_that_openssl_accepts(shell: Shell, tmp_path: Path) -> None:
    """A CSR from the device, PEM or DER; and a key that `make` makes."""
    shell.sign(csrs.pem(csrs.make("device-01")))
    shell.sign(csrs.make("device-02", csrs.key("RSA-2048")))
    shell.make("device-03", "--key-type", "p384")
    for device in ("device-01", "device-02", "device-03"):
        verify_client_chain((shell.out / f"{device}.chain.pem").read_bytes(), tmp_path)
    key = load_pem_private_key((shell.out / "device-03.key.pem").read_bytes(), None)
    leaf = x509.load_pem_x509_certificate((shell.out / "device-03.chain.pem").read_bytes())
    assert leaf.public_key() == key.public_key()


def test_list_show_and_issuers_tell_what_is_there(shell: Shell) -> None:
    """As JSON for programs and as tables for people; an auditor sees all, a station its own."""
    shell.make("device-01", "--lot", "L1", "--attribute", "panel=7")
    shell.make("device-02")
    for caller in (STATION, AUDITOR):
        listed = shell.answer("list", caller=caller)
        assert [each["registration_id"] for each in listed] == ["device-02", "device-01"]
    assert [each["registration_id"] for each in shell.answer("list", "--lot", "L1")] == ["device-01"]
    serial = listed[1]["serial_number"]
    shown = shell.answer("show", serial.upper())
    assert shown == shell.answer("show", "--registration-id", "DEVICE-01")
    assert (shown["lot"], shown["attributes"], shown["station"]) == ("L1", {"panel": "7"}, STATION)
    assert shown["chain_pem"] == (shell.out / "device-01.chain.pem").read_text()
    issuers = shell.answer("issuers")
    assert (issuers["station"], issuers["line"]) == (STATION, "line-01")
    assert shown["chain_pem"].endswith(issuers["issuers"][0]["chain_pem"])
    for command in (("list",), ("show", serial), ("issuers",)):
        assert shell.linecert(*command).stdout.strip()
    assert serial in shell.linecert("list").stdout


def test_make_after_a_lost_answer_gets_the_certificate_that_was_issued(shell: Shell, server: ServerProcess) -> None:
    """While the store is locked the answer does not come: 7. The next run gets it, and there is one certificate."""
    with closing(sqlite3.connect(server.installation.folder / "linecert.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shell.make("device-01", "--deadline", "1s", code=7)
        other.execute("ROLLBACK")
    assert "given again" in shell.make("device-01").stdout
    log = audit_log.verified(server.installation)
    leaf = x509.load_pem_x509_certificate((shell.out / "device-01.chain.pem").read_bytes())
    assert [record.serial for record in log.certificates] == [leaf.serial_number.to_bytes(20, "big")]


def test_make_over_a_crash_of_the_server(shell: Shell, server: ServerProcess) -> None:
    """Killed and started again: the same command gives the same certificate."""
    shell.make("device-01")
    before = (shell.out / "device-01.chain.pem").read_bytes()
    server.kill()
    shell.make("device-01", "--deadline", "1s", code=7)
    server.start()
    shell.make("device-01")
    assert (shell.out / "device-01.chain.pem").read_bytes() == before


def test_each_exit_status_says_who_has_to_act(shell: Shell, server: ServerProcess) -> None:
    """3: the device, 4: the station, 5: the planner, 6: the operator, 7: nobody, try again; 2 is wrong usage."""
    assert "PUBLIC_KEY_NOT_ALLOWED" in shell.sign(csrs.make(key=csrs.key("P-521")), code=3)
    assert "CSR_MALFORMED" in shell.sign(b"no CSR", code=3)
    assert "FIELD_INVALID" in shell.sign(csrs.make(), "--lot", " ", code=4)
    assert "WORK_ORDER_UNKNOWN" in shell.sign(csrs.make("device-02"), "--work-order", "WO-1", code=5)
    assert "ROLE_MISSING" in shell.sign(csrs.make("device-03"), caller=PLANNER, code=6)
    shell.sign(csrs.make("device-04"), "--validity", "forever", code=2)
    server.terminate()
    shell.sign(csrs.make("device-05"), "--deadline", "1s", code=7)
    assert not shell.out.exists() or list(shell.out.glob("*.chain.pem")) == []


def test_validate_only_writes_nothing(shell: Shell, server: ServerProcess) -> None:
    """Neither file nor record."""
    before = audit_log.verified(server.installation).signatures
    shell.make("device-01", "--validate-only")
    assert not shell.out.exists()
    assert audit_log.verified(server.installation).signatures == before


def test_a_second_server_on_the_same_port_says_so(server: ServerProcess, tmp_path: Path) -> None:
    """One sentence, with the setting to change; status 1, and the first server goes on."""
    first = server.installation.settings().server
    metrics, health = free_ports(2)
    second = make_installation(
        tmp_path / "second",
        listen=first.listen,
        metrics_listen=f"127.0.0.1:{metrics}",
        health_listen=f"127.0.0.1:{health}",
    )
    result = run(LINECERT_SERVER, "serve", "--config", str(second.config), code=1)
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith(f"error: cannot listen at {first.listen}: ")
    assert "server.listen" in sentence
    Shell(server.installation).make("device-01")


def test_a_second_server_of_the_same_installation_does_not_start(server: ServerProcess) -> None:
    """It ends with a sentence and status 1, and leaves the first one's log whole."""
    result = run(LINECERT_SERVER, "serve", "--config", str(server.installation.config), code=1)
    assert "error: " in result.stderr
    Shell(server.installation).make("device-01")
    audit_log.verified(server.installation)


def test_sigterm_of_an_idle_server_is_a_clean_end(server: ServerProcess) -> None:
    """Status 0 at once, and the database is whole."""
    assert server.terminate() == 0
    audit_log.verified(server.installation)


def test_check_accepts_what_init_made(installation: Installation) -> None:
    """Status 0, as a table and as JSON."""
    assert "can start" in run(LINECERT_SERVER, "check", "--config", str(installation.config)).stdout
    found = json.loads(run(LINECERT_SERVER, "check", "--config", str(installation.config), "--json").stdout)
    assert found["checked"]


WRONG: dict[str, tuple[str, str, str, str]] = {
    "no such issuer": ("linecert.toml", 'issuer = "issuer"', 'issuer = "other"', "profiles.device.issuer"),
    "another key": ("linecert.toml", "pki/issuer.key.pem", "pki/server.key.pem", "server.key.pem"),
    "no chain": ("linecert.toml", "pki/issuer.chain.pem", "pki/nothing.pem", "nothing.pem"),
    "no such profile": ("stations.toml", 'profiles = ["device"]', 'profiles = ["other"]', "stations.toml"),
    "no TOML": ("stations.toml", "[[stations]]", "[[stations", "stations.toml"),
}
"""The file, what is replaced in it, and what the sentence names."""


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("case", WRONG)
def test_check_and_serve_refuse_what_is_wrong(installation: Installation, command: str, case: str) -> None:
    """Status 1 and a sentence that names the place."""
    file, old, new, says = WRONG[case]
    installation.edit(old, new, file=file)
    result = run(LINECERT_SERVER, command, "--config", str(installation.config), code=1)
    assert says in result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("arguments", [["check", "--nothing"], ["serve", "--log-level", "loud"], ["nothing"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """With a message on how it is used."""
    assert "Usage" in run(LINECERT_SERVER, *arguments, code=2).stderr


def test_a_station_that_was_added_can_sign(server: ServerProcess) -> None:
    """`station add` makes a folder that works as it is, with the server that runs."""
    config = str(server.installation.config)
    run(LINECERT_SERVER, "station", "add", "ict-07", "--line", "line-07", "--config", config)
    deadline = time.monotonic() + 60
    while not any('"event":"reloaded","file":"stations"' in line for line in server.lines):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    shell = Shell(server.installation)
    shell.sign(csrs.make("device-07"), caller="ict-07")
    assert shell.answer("show", "--registration-id", "device-07", caller=AUDITOR)["line"] == "line-07"
