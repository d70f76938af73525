"""The command line of `linecert-server`: what it prints, and with which status it exits."""

import json
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from linecert_service.cli import main
from linecert_service.config import Settings
from linecert_service.installation import chains, offline, server_certificate
from support.installations import Installation
from support.rollover import NEXT, add_issuer, stage


def run(*arguments: str | Path) -> int:
    """The exit status of a command."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_init_makes_an_installation_that_check_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what to do next."""
    folder = tmp_path / "linecert"
    arguments = ("--name", "factory-7", "--host", "a.example", "--listen", "127.0.0.1:8443", "--key-type", "p384")
    assert run("init", folder, *arguments, "--subject-organization", "Contoso") == 0
    assert f"linecert-server serve --config {folder}/linecert.toml" in capsys.readouterr().out
    assert run("check", "--config", folder / "linecert.toml") == 0
    assert "The server can start." in capsys.readouterr().out


def test_init_refuses_a_folder_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, stderr, no traceback."""
    (tmp_path / "file").touch()
    assert run("init", tmp_path) == 1
    captured = capsys.readouterr()
    assert captured.err == f"error: {tmp_path} is not empty: name a folder that does not exist yet, or an empty one\n"
    assert captured.out == ""


def test_an_error_of_the_operating_system_is_one_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file that it was about."""
    (tmp_path / "file").touch()
    assert run("init", tmp_path / "file" / "x") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'file' / 'x'} cannot be made (")
    assert error.count("\n") == 1


def test_check_prints_json_for_programs(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """What was checked, until when it is valid, and the warnings."""
    assert run("check", "-c", installation.config, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    ends = {row["checked"]: row["valid_until"] for row in answer["checked"]}
    assert set(ends) == {
        "settings",
        "server.tls_certificate",
        "server.client_ca",
        "issuers.issuer",
        "profiles.device",
        "log",
        "stations",
        "refused keys",
        "store",
    }
    assert ends["server.tls_certificate"].endswith("Z")
    assert ends["settings"] is None
    assert any("offline" in warning for warning in answer["warnings"])


def test_check_makes_no_database(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is none yet, it says so and leaves it to the server."""
    before = sorted(installation.folder.iterdir())
    assert run("check", "-c", installation.config, "--json") == 0
    assert "the server makes it" in capsys.readouterr().out
    assert sorted(installation.folder.iterdir()) == before


@pytest.mark.parametrize("content, status", [("0" * 64, 0), ("0" * 63, 1)])
def test_check_reads_the_list_of_denied_keys(
    installation: Installation, capsys: pytest.CaptureFixture[str], content: str, status: int
) -> None:
    """A line of it that would keep the server from starting is told here."""
    (installation.folder / "denied-keys.txt").write_text(content)
    installation.edit("# denied_keys", "denied_keys")
    assert run("check", "-c", installation.config) == status
    captured = capsys.readouterr()
    assert "denied keys" in captured.out if status == 0 else "line 1: not the SHA-256" in captured.err


def test_a_wrong_pass_phrase_is_told_with_where_it_came_from(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was forgotten goes before the file; neither is shown."""
    (installation.layout.pki / "issuer.passphrase").write_text("hunter2\n")
    assert run("check", "-c", installation.config) == 1
    assert "from the first line of" in capsys.readouterr().err
    monkeypatch.setenv("LINECERT_ISSUER_ISSUER_PASSPHRASE", "hunter3")
    assert run("check", "-c", installation.config) == 1
    error = capsys.readouterr().err
    assert "from the environment variable LINECERT_ISSUER_ISSUER_PASSPHRASE" in error
    assert "hunter" not in error


def test_init_refuses_one_address_for_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is made; port 0 is whichever is free."""
    arguments = ("--listen", "127.0.0.1:8443", "--metrics-listen", "127.0.0.1:8443")
    assert run("init", tmp_path / "x", *arguments) == 1
    assert "--listen and --metrics-listen have the same port" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    assert run("init", tmp_path / "x", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0") == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version says which version of linecert this is."""
    assert run("--version") == 0
    assert capsys.readouterr().out == f"linecert-server {metadata.version('linecert')}\n"


def test_check_shows_warnings_below_the_table(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """They do not change the status."""
    assert run("check", "-c", installation.config) == 0
    out = capsys.readouterr().out
    assert "warning: the CA keys in" in out
    assert "P-256" in out


@pytest.mark.parametrize(
    "key, name", [(rsa.generate_private_key(65_537, 2048), "RSA-2048"), (Ed25519PrivateKey.generate(), "Ed25519")]
)
def test_check_shows_keys_of_every_kind(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    key: rsa.RSAPrivateKey | Ed25519PrivateKey,
    name: str,
) -> None:
    """A server's certificate may come from a company's own CA."""
    server_ca = offline.authority(
        installation.layout.server_ca_key, chains.read_certificates(installation.layout.server_ca, "x")
    )
    certificate = server_certificate.issue(server_ca, key.public_key(), ["localhost"], datetime.now(UTC))
    (installation.layout.pki / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (installation.layout.pki / "server.key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert run("check", "-c", installation.config) == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "serve"])
def test_what_is_wrong_is_one_sentence_and_status_1(
    installation: Installation, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Before anything is opened."""
    installation.edit("clamp = false", "clmap = false")
    assert run(command, "-c", installation.config) == 1
    assert capsys.readouterr().err.startswith(f"error: {installation.config}:")


def test_serve_hands_the_settings_over_and_exits_with_its_status(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--log-level` goes before the settings file."""
    served: list[Settings] = []
    bootstrap = ModuleType("linecert_service.bootstrap")

    def serve(settings: Settings) -> int:
        served.append(settings)
        return 3

    monkeypatch.setattr(bootstrap, "serve", serve, raising=False)
    monkeypatch.setitem(sys.modules, "linecert_service.bootstrap", bootstrap)
    assert run("serve", "-c", installation.config) == 3
    assert run("serve", "-c", installation.config, "--log-level", "debug") == 3
    assert [settings.log_level for settings in served] == ["info", "debug"]
    assert served[1].path == installation.config


def test_station_add_says_what_to_do_with_the_folder(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """The station is listed afterwards."""
    assert run("station", "add", "ict-07", "--line", "line-3", "-c", installation.config) == 0
    assert str(installation.layout.client("ict-07")) in capsys.readouterr().out
    assert run("station", "add", "qa", "--role", "auditor", "--role", "planner", "-c", installation.config) == 0
    capsys.readouterr()
    assert run("station", "list", "-c", installation.config, "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ict-07"] == {
        "name": "ict-07",
        "line": "line-3",
        "roles": ["station"],
        "profiles": ["device"],
        "enabled": True,
        "valid_until": None,
        "revoked_serials": [],
        "identity": {"kind": "uri", "value": "urn:linecert:test-factory:station:ict-07"},
    }
    assert rows["qa"]["roles"] == ["auditor", "planner"]


def test_station_list_shows_a_table(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """For people."""
    installation.edit('name = "planner-01"\n', 'name = "planner-01"\nenabled = false\n', file="stations.toml")
    assert run("station", "list", "-c", installation.config) == 0
    out = capsys.readouterr().out
    for text in ("station-01", "line-01", "auditor", "yes", "no"):
        assert text in out


def test_identities_are_shown_as_they_are(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`:station:` in one is no name of an emoji, nor are brackets markup."""
    monkeypatch.setenv("COLUMNS", "200")
    assert run("station", "list", "-c", installation.config) == 0
    assert "uri urn:linecert:test-factory:station:station-01" in capsys.readouterr().out


def test_a_server_certificate_is_renewed(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    """It says until when the new one is valid."""
    before = (installation.layout.pki / "server.pem").read_bytes()
    assert run("server-certificate", "renew", "-c", installation.config, "--host", "a.example") == 0
    assert "valid until" in capsys.readouterr().out
    assert (installation.layout.pki / "server.pem").read_bytes() != before


@pytest.mark.parametrize(
    "arguments", [(), ("init",), ("nonsense",), ("init", "x", "--key-type", "dsa"), ("station",), ("check", "--x")]
)
def test_usage_errors_exit_with_2(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As POSIX tools do."""
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("check",),
        ("serve",),
        ("station", "add"),
        ("station", "list"),
        ("issuer", "switch"),
        ("station", "disable"),
        ("station", "enable"),
        ("station", "revoke"),
        ("station", "rotate"),
        ("server-certificate", "renew"),
    ],
)
def test_every_command_has_help_with_an_example(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """What one can copy and change."""
    assert run(*command, "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Example: linecert-server {' '.join(command)}" in out


def test_the_config_file_may_come_from_the_environment(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For containers and units."""
    monkeypatch.setenv("LINECERT_CONFIG", str(installation.config))
    assert run("check") == 0


def test_a_staged_issuer_is_switched_at_a_time_or_now(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` shows what is staged and from when on; a time that is none is wrong usage."""
    config = ("-c", installation.config)
    assert run("issuer", "switch", "device", *config) == 1
    assert "has no next_issuer" in capsys.readouterr().err
    add_issuer(installation)
    stage(installation)
    for wrong in ("2099-01-01", "2099-01-01T00:00:00", "2099-01-01T00:00:00.5Z", "soon"):
        assert run("issuer", "switch", "device", "--at", wrong, *config) == 2
        assert "2027-01-01T00:00:00Z" in capsys.readouterr().err
    at = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    assert run("issuer", "switch", "device", "--at", at, *config) == 0
    assert f"{NEXT} signs for device in place of issuer from {at} on." in capsys.readouterr().out
    assert run("check", *config, "--json") == 0
    details = {row["checked"]: row["detail"] for row in json.loads(capsys.readouterr().out)["checked"]}
    assert details["profiles.device"].startswith(f"issuer issuer, {NEXT} from {at} on, keys")
    assert run("issuer", "switch", "device", *config) == 0
    assert f"{NEXT} signs for device in place of issuer.\n" in capsys.readouterr().out
    assert run("check", *config, "--json") == 0
    checked = [row["checked"] for row in json.loads(capsys.readouterr().out)["checked"]]
    assert "issuers.issuer (not in use)" in checked


def test_a_station_is_changed_and_its_credential_rotated(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command says what comes next; `rotate --keep-old` prints the one that ends the old credential."""

    def listed() -> dict[str, Any]:
        capsys.readouterr()
        assert run("station", "list", "-c", installation.config, "--json") == 0
        return {row["name"]: row for row in json.loads(capsys.readouterr().out)}["station-01"]

    config = ("-c", installation.config)
    assert run("station", "disable", "station-01", *config) == 0
    assert not listed()["enabled"]
    assert run("station", "enable", "station-01", *config) == 0
    assert listed()["enabled"]
    old = f"{installation.peer('station-01').serial:x}"
    capsys.readouterr()
    assert run("station", "rotate", "station-01", "--keep-old", *config) == 0
    command = capsys.readouterr().out.splitlines()[-1].partition("linecert-server ")[2]
    assert run(*command.split(), *config) == 0
    assert listed()["revoked_serials"] == [old]
    newer = f"{installation.peer('station-01').serial:x}"
    assert run("station", "rotate", "station-01", *config) == 0
    assert "is revoked" in capsys.readouterr().out
    assert set(listed()["revoked_serials"]) == {old, newer}
