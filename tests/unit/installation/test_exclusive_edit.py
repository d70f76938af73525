"""Commands that change one file at the same time: no change is lost, and none is reported that was not made."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import change_station, exclusive_edit, own_keys
from linecert_service.installation.switch_issuer import switch
from support.installations import Installation
from support.rollover import NEXT, add_issuer, stage

NAME = "station-01"
ADDED = tuple(f"ict-{number}" for number in range(5))

SCRIPT = """\
import sys
from linecert_service.cli import main
print("ready", flush=True)
sys.stdin.readline()
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def command(installation: Installation, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that does what `linecert-server station` does as soon as it gets a line."""
    line = [sys.executable, "-c", SCRIPT, "station", *arguments, "--config", str(installation.config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_no_change_is_lost_to_another_process(installation: Installation) -> None:
    """Six at once, one of which locks a station out: all that they say they have done is there."""
    keys = len(own_keys.read(installation.layout.own_keys))
    commands = [["disable", NAME], *(["add", name, "--line", "line-07"] for name in ADDED)]
    with ExitStack() as running:
        processes = [running.enter_context(command(installation, *arguments)) for arguments in commands]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, output
    stations = installation.stations().by_name
    assert not stations[NAME].enabled
    assert stations.keys() >= {*ADDED}
    assert len(own_keys.read(installation.layout.own_keys)) == keys + len(ADDED)


def test_a_command_waits_for_the_one_before_it(installation: Installation) -> None:
    """It reads what that one has written."""
    path, settings = installation.layout.stations, installation.settings()
    second = threading.Thread(target=change_station.revoke, args=(settings, NAME, ["ff01"]))
    with exclusive_edit.exclusive_edit(path) as edit:
        second.start()
        edit.write(edit.document.text.replace('name = "station-01"', 'name = "station-01"\nenabled = false'))
    second.join()
    station = installation.stations().by_name[NAME]
    assert (station.enabled, station.revoked_serials) == (False, {0xFF01})


def test_a_link_stays_one(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """linecert@.service gives each server a folder with links to the one set of files: all see what is changed.

    Who comes by the link and who comes to the file itself exclude each other.
    """
    add_issuer(installation)
    stage(installation)
    server = Installation(installation.folder.with_name("server-1"))
    server.folder.mkdir()
    names = ("linecert.toml", "stations.toml", "pki")
    for name in names:
        (server.folder / name).symlink_to(Path("..", installation.folder.name, name))
    change_station.revoke(server.settings(), NAME, ["ff01"])
    switch(server.settings(), "device", datetime.now(UTC))
    assert all((server.folder / name).is_symlink() for name in names)
    assert installation.stations().by_name[NAME].revoked_serials == {0xFF01}
    assert installation.settings().profiles["device"].issuer == NEXT
    monkeypatch.setattr(exclusive_edit, "WAIT_SECONDS", 0)
    with (
        exclusive_edit.exclusive_edit(installation.layout.stations),
        pytest.raises(ConfigurationError, match="is being changed by another command"),
    ):
        change_station.revoke(server.settings(), NAME, ["ff02"])


def test_a_command_does_not_wait_for_ever(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and nothing is changed; the lock leaves no file behind."""
    monkeypatch.setattr(exclusive_edit, "WAIT_SECONDS", 0)
    before = _content(installation.folder)
    with (
        exclusive_edit.exclusive_edit(installation.layout.stations),
        pytest.raises(ConfigurationError, match="is being changed by another command"),
    ):
        change_station.set_enabled(installation.settings(), NAME, enabled=False)
    assert _content(installation.folder) == before
    change_station.set_enabled(installation.settings(), NAME, enabled=False)
    assert _content(installation.folder).keys() == before.keys()


def test_what_an_editor_saved_meanwhile_stays(installation: Installation) -> None:
    """An editor asks for no lock: the command fails, and names what to do."""
    path = installation.layout.stations
    with exclusive_edit.exclusive_edit(path) as edit:
        path.write_text(saved := edit.document.text + "# saved\n")
        with pytest.raises(ConfigurationError, match=r"stations.toml was changed meanwhile: run the command again"):
            edit.write("")
    assert path.read_text() == saved
    assert not list(installation.folder.glob(".stations.toml*"))


def test_a_rotation_that_an_editor_crosses_leaves_the_old_credential(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller has the certificate that `stations.toml` goes by."""
    certificate = installation.layout.client(NAME) / "certificate.pem"
    before, record = certificate.read_bytes(), own_keys.record

    def recorded(path: Path, keys: list[tuple[str, bytes]]) -> None:
        record(path, keys)
        with installation.layout.stations.open("a") as file:
            file.write("# saved\n")

    monkeypatch.setattr(own_keys, "record", recorded)
    with pytest.raises(ConfigurationError, match="changed meanwhile"):
        change_station.rotate(installation.settings(), NAME, datetime.now(UTC), keep_old=False)
    assert certificate.read_bytes() == before
    assert not installation.stations().by_name[NAME].revoked_serials


def test_a_switch_goes_by_the_settings_that_it_was_asked_for(installation: Installation) -> None:
    """When another command has changed the issuers since, it is asked again."""
    add_issuer(installation)
    stage(installation)
    read = installation.settings()
    installation.edit('validity = "5y"', 'validity = "1y"')
    before = installation.config.read_bytes()
    with pytest.raises(ConfigurationError, match=r"linecert.toml was changed meanwhile: run the command again"):
        switch(read, "device", datetime.now(UTC))
    assert installation.config.read_bytes() == before


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
