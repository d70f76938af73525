"""A planner against a real server: orders from a file, expected devices, what stations meet, and the report.

It has nothing but the client folder of planner-01.
"""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from linecert_client import Refused, keys
from linecert_client.keys import KeyType
from support.server import AUDITOR, LINECERT, PLANNER, STATION, ServerProcess

ASK_PLANNER = 5
DIFFERENCES = 8


class Factory:
    """The people at a server: everybody runs `linecert` with a client folder of their own."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self._layout = server.installation.layout
        self._folder = folder

    def run(self, who: str, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command, and hold it to its exit code."""
        command = (LINECERT, "-C", str(self._layout.client(who)), *arguments)
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result

    def plan(self, *arguments: str, code: int = 0) -> Any:
        """Run `linecert work-order` as the planner, and return what it prints for scripts."""
        result = self.run(PLANNER, "work-order", *arguments, "--json", code=code)
        return json.loads(result.stdout) if result.stdout else None

    def differences(self, order: str, *options: str, who: str = PLANNER) -> list[tuple[str, str]]:
        """Code and registration ID of what `linecert work-order report` finds, and it finds something."""
        result = self.run(who, "work-order", "report", order, *options, "--json", code=DIFFERENCES)
        return [(one["code"], one["registration_id"]) for one in json.loads(result.stdout)["differences"]]

    def make(self, device: str, order: str, *options: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Make a device on the station."""
        where = ("--out", str(self._folder / "out"))
        return self.run(
            STATION, "make", "--registration-id", device, "--work-order", order, *where, *options, code=code
        )

    def file(self, name: str, text: str) -> str:
        """A file of the planner's; its path."""
        path = self._folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def factory(server: ServerProcess, tmp_path: Path) -> Factory:
    """The people at a fresh server."""
    return Factory(server, tmp_path)


def test_an_order_from_the_mes_to_the_report(factory: Factory) -> None:
    """Opened from a file, listed device by device, made, refused where it is used up, raised, closed, compared."""
    orders = factory.file("orders.csv", "name;quantity;lines\nWO-1;2;line-01\nWO-2;5;line-77\n")
    for _ in range(2):
        assert [order["name"] for order in factory.plan("open", "--csv", orders)["opened"]] == ["WO-1", "WO-2"]
    ids = factory.file("ids.csv", "registration_id\ndev-1\ndev-2\ndev-3\n")
    assert factory.plan("expect", "WO-1", "--csv", ids)["imported"] == 3
    assert factory.plan("expect", "WO-1", "--csv", ids)["already_there"] == 3

    factory.make("dev-1", "WO-1")
    assert "DEVICE_NOT_EXPECTED" in factory.make("dev-9", "WO-1", code=ASK_PLANNER).stderr
    assert "WORK_ORDER_NOT_ALLOWED" in factory.make("dev-1b", "WO-2", code=ASK_PLANNER).stderr
    factory.make("dev-2", "WO-1")
    refused = factory.make("dev-3", "WO-1", code=ASK_PLANNER).stderr
    assert "work order WO-1: 2 of 2 issued; ask the planner to raise it" in refused
    assert "more: linecert explain WORK_ORDER_EXHAUSTED" in refused
    assert factory.plan("raise", "WO-1", "--quantity", "3")["issued"] == 2
    factory.make("dev-3", "WO-1")
    assert factory.plan("close", "WO-1")["state"] == "closed"
    assert "WORK_ORDER_CLOSED" in factory.make("dev-4", "WO-1", code=ASK_PLANNER).stderr

    serial = json.loads(factory.run(PLANNER, "show", "--registration-id", "dev-2", "--json").stdout)["serial_number"]
    built = factory.file("serials.csv", f"registration_id,serial_number\ndev-1,\n,{serial}\ndev-3,\n")
    assert factory.plan("report", "WO-1", "--built", built)["agrees"]
    short = factory.file("short.csv", "registration_id\ndev-1\ndev-3\ndev-5\n")
    assert factory.differences("WO-1", "--built", short) == [("not_built", "dev-2"), ("no_certificate", "dev-5")]


def test_a_report_knows_what_the_service_expects(factory: Factory) -> None:
    """Without a file a device that is listed and was not made is missing, and one that was made before the list extra.

    A file of expected devices takes the place of the service's list, and an auditor sees the same as the planner.
    """
    factory.plan("open", "WO-1", "--quantity", "2")
    factory.make("early", "WO-1")
    factory.plan("expect", "WO-1", "--csv", factory.file("ids.csv", "registration_id\nDev-1\ndev-2\n"))
    factory.make("dev-2", "WO-1")
    differences = [("not_issued", "dev-1"), ("not_expected", "early")]
    assert factory.differences("WO-1") == factory.differences("WO-1", who=AUDITOR) == differences
    other = factory.file("other.csv", "registration_id\nearly\ndev-2\n")
    assert factory.plan("report", "WO-1", "--expected", other)["agrees"]


def test_an_expected_key_is_the_only_one(factory: Factory, server: ServerProcess) -> None:
    """With a public-key hash on the list, another key under the device's name gets no certificate."""
    key, other = keys.generate(KeyType.P256), keys.generate(KeyType.P256)
    factory.plan("open", "WO-1", "--quantity", "5")
    with server.client(PLANNER) as planner, server.client() as station:
        digest = hashlib.sha256(keys.spki(key.public_key())).hexdigest()
        ids = factory.file("ids.csv", f"registration_id,public_key_sha256\ndev-1,{digest}\n")
        factory.plan("expect", "WO-1", "--csv", ids)
        with pytest.raises(Refused) as caught:
            station.sign(keys.make_csr(other, "dev-1"), work_order="WO-1")
        assert caught.value.reason == "DEVICE_NOT_EXPECTED"
        station.sign(keys.make_csr(key, "dev-1"), work_order="WO-1")
        assert planner.get_work_order("WO-1").issued == 1


def test_two_planners_do_not_undo_each_other(server: ServerProcess) -> None:
    """An update for the etag that was read is refused once the order is another one."""
    with server.client(PLANNER) as planner:
        read = planner.open_work_order("WO-1", 5, lines=["line-01"])
        changed = planner.update_work_order("WO-1", lines=(), replacement_limit=2, etag=read.etag)
        assert (changed.lines, changed.replacement_limit, changed.quantity) == ((), 2, 5)
        with pytest.raises(Refused) as caught:
            planner.update_work_order("WO-1", quantity=9, etag=read.etag)
        assert (caught.value.reason, caught.value.action) == ("WORK_ORDER_CHANGED", "retry")
        assert planner.update_work_order("WO-1", quantity=9, etag=changed.etag).quantity == 9


def test_a_station_sees_its_orders_and_changes_none(factory: Factory) -> None:
    """It reads what it may issue for; a planner's command ends with the operator's exit code."""
    for name, line in (("WO-1", "line-01"), ("WO-2", "line-77")):
        factory.plan("open", name, "--quantity", "5", "--line", line)
    listed = json.loads(factory.run(STATION, "work-order", "list", "--json").stdout)
    assert [order["name"] for order in listed] == ["WO-1"]
    assert "ROLE_MISSING" in factory.run(STATION, "work-order", "close", "WO-1", code=6).stderr
    assert "needs the role auditor or planner" in factory.run(STATION, "work-order", "report", "WO-1", code=6).stderr
