"""The systemd units: both are valid, equally guarded, and instances of the template do not get in each other's way."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linecert_service import config
from linecert_service.cli import PIN_REFUSED_STATUS
from linecert_service.config import Settings
from support.checkout import ROOT
from support.installations import make_installation

UNITS = ROOT / "deploy" / "systemd"
TEMPLATE = (UNITS / "linecert@.service").read_text(encoding="utf-8")
STATE = "/var/lib/linecert"
OWN = re.compile(r"(#|Description=|Environment=|ExecStart)")


def directives(unit: str) -> list[str]:
    """The lines of a unit that are the same for one server and for several."""
    return [line for line in unit.splitlines() if line and not OWN.match(line)]


def values(name: str, number: int, state: Path) -> Iterator[list[str]]:
    """The values of a setting of the template, for an instance whose state is in `state`."""
    for value in re.findall(rf"^{name}=(.*)$", TEMPLATE, re.MULTILINE):
        yield shlex.split(value.replace("%i", str(number)).replace(STATE, str(state)))


def start(number: int, state: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that an instance starts with, once what precedes its start has run."""
    for command in values("ExecStartPre", number, state):
        subprocess.run(command, check=True)
    with monkeypatch.context() as environment:
        for assignments in values("Environment", number, state):
            for assignment in assignments:
                environment.setenv(*assignment.split("=", 1))
        (command,) = values("ExecStart", number, state)
        return config.load(Path(command[-1]))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="NOT TESTED: systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["linecert.service", "linecert@1.service"])
def test_unit_is_valid(unit: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to complain of, in the instance of the template neither."""
    for path in UNITS.glob("*.service"):
        # The units name the installed command, which is not on this machine.
        text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_instances_are_guarded_as_the_single_server_is() -> None:
    """What is added to one unit for safety is not forgotten in the other."""
    assert directives(TEMPLATE) == directives((UNITS / "linecert.service").read_text(encoding="utf-8"))


def test_a_refused_pin_is_not_tried_again_each_second() -> None:
    """The status that the server exits with then is one after which systemd leaves it be."""
    assert f"RestartPreventExitStatus={PIN_REFUSED_STATUS}" in directives(TEMPLATE)


def test_instances_share_an_installation_and_no_port_and_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All read one site/; each listens at ports of its own, has a folder for its own state, and starts again."""
    site = make_installation(tmp_path / "site")
    started = [start(number, tmp_path, monkeypatch) for number in (1, 2, 1)]
    assert started[2] == started[0]
    for settings in started:
        assert settings.stations.resolve() == site.layout.stations
        assert settings.server.tls_key.resolve().is_relative_to(site.layout.pki)
    first, second = (
        {settings.server.listen, settings.server.metrics_listen, settings.server.health_listen}
        for settings in started[:2]
    )
    assert len(first) == len(second) == 3
    assert not first & second
    assert started[0].folder != started[1].folder
