"""`linecert batch` against a real gRPC server: the files, what a repeat does, what is said, and the exit code."""

import csv
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from linecert_client import keys
from linecert_client.cli import app
from linecert_client.keys import KeyType
from support.fake_service import FakeService, fail, lose_answer, refusal, refuse

TAKEN = refusal("REGISTRATION_ID_TAKEN", "ALREADY_EXISTS", "fix_device")
EXHAUSTED = refusal("WORK_ORDER_EXHAUSTED", "FAILED_PRECONDITION", "ask_planner")

WIDE = {"COLUMNS": "300"}
"""So that no path of this machine makes a table shorten what is looked for."""


class Batches:
    """A station's shell: a manifest, an output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder.parent / "devices.csv"
        self.failures = folder.parent / "failures.csv"
        self.out = folder.parent / "out"

    def write(self, *devices: str, heading: str = "registration_id") -> None:
        """A manifest of these lines."""
        self.manifest.write_text("\n".join((heading, *devices, "")))

    def run(self, *arguments: str | Path, code: int = 0) -> Result:
        """`linecert batch` of the manifest, or of what is given."""
        paths = (
            [*map(str, arguments)]
            if arguments and isinstance(arguments[0], Path)
            else [
                str(self.manifest),
                *map(str, arguments),
            ]
        )
        result = CliRunner().invoke(app, ["-C", str(self.folder), "batch", *paths, "--out", str(self.out)], env=WIDE)
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> tuple[dict[str, Any], dict[str, int]]:
        """The lines by registration ID, and the summary."""
        *lines, last = [json.loads(line) for line in self.run(*arguments, "--json", code=code).stdout.splitlines()]
        return {line["registration_id"]: line for line in lines}, {k: v for k, v in last["summary"].items() if v}

    def csr(self, device: str, name: str) -> keys.DeviceKey:
        """A CSR of a device in a file beside the manifest."""
        key = keys.generate(KeyType.P256)
        (self.folder.parent / name).write_bytes(keys.make_csr(key, device))
        return key

    def chain(self, stem: str) -> list[x509.Certificate]:
        """What stands in a device's chain file."""
        return x509.load_pem_x509_certificates((self.out / f"{stem}.chain.pem").read_bytes())


@pytest.fixture
def batches(folder: Path) -> Batches:
    """A station of the fake service."""
    return Batches(folder)


def requests(service: FakeService) -> list[Any]:
    """Every item that was sent, in order."""
    return [item for call in service.requests for item in call.requests]


def test_keys_are_made_as_make_does(batches: Batches) -> None:
    """Key, CSR, journal and chain of each device, under safe names; a table says how many."""
    batches.write("-a:b", "dev-2")
    result = batches.run("--key-type", "p384")
    for stem in "%2Da%3Ab", "dev-2":
        key = keys.key_from_pem((batches.out / f"{stem}.key.pem").read_bytes())
        assert keys.key_type_of(key) is KeyType.P384
        assert batches.chain(stem)[0].public_key() == key.public_key()
    assert len(list(batches.out.iterdir())) == 2 * 4
    assert "issued" in result.stdout
    assert "PRIVATE" not in result.output


def test_csrs_are_sent_as_sign_does(batches: Batches, service: FakeService) -> None:
    """What a line asks for arrives; no key is made."""
    key = batches.csr("dev-1", "1.pem")
    batches.write("1.pem,WO-1,365d,rework,1.2", heading="csr,work_order,validity,replacement_reason,attr.fw")
    batches.run("--lot", "L9", "--attribute", "shift=3")
    (request,) = requests(service)
    assert (request.work_order, request.lot, request.validity.seconds) == ("WO-1", "L9", 365 * 86400)
    assert dict(request.attributes) == {"fw": "1.2", "shift": "3"}
    assert request.replacement_reason == 1
    assert batches.chain("dev-1")[0].public_key() == key.public_key()
    assert sorted(path.name for path in batches.out.iterdir()) == ["dev-1.chain.pem", "dev-1.request.json"]


def test_a_folder_is_a_manifest(batches: Batches) -> None:
    """Its CSRs are signed."""
    folder = batches.folder.parent / "csrs"
    folder.mkdir()
    for number in range(3):
        batches.csr(f"dev-{number}", f"csrs/{number}.csr.pem")
    batches.run(folder)
    assert sorted(path.name for path in batches.out.glob("*.chain.pem")) == [f"dev-{n}.chain.pem" for n in range(3)]


def test_a_repeat_asks_for_nothing_that_is_there(batches: Batches, service: FakeService) -> None:
    """A chain that is there and right costs no call; one that is gone is asked for again under its request_id."""
    batches.write("dev-1", "dev-2")
    batches.run()
    before = (batches.out / "dev-1.chain.pem").read_bytes()
    (batches.out / "dev-2.chain.pem").unlink()
    lines, summary = batches.json()
    assert summary == {"given_again": 1, "already_there": 1}
    assert lines["dev-1"]["outcome"] == "already_there"
    assert (batches.out / "dev-1.chain.pem").read_bytes() == before
    first, second, again = requests(service)
    assert again == second != first
    assert len(service.issued) == 2


def test_a_repeat_after_lost_answers_makes_no_second_certificate(batches: Batches, service: FakeService) -> None:
    """When every answer was lost until the deadline, the next run gets what was issued in the first."""
    batches.write("dev-1", "dev-2")
    service.script(lose_answer(), *[fail("UNAVAILABLE")] * 200)
    _, summary = batches.json("--deadline", "3s", code=7)
    assert summary == {"not_reached": 2}
    service._script.clear()
    assert batches.json()[1] == {"given_again": 2}
    assert len(service.issued) == 2


def test_other_wishes_are_another_request(batches: Batches, service: FakeService) -> None:
    """A chain that was asked for with another lot is not what is asked for now."""
    batches.write("dev-1")
    batches.run("--lot", "L1")
    batches.run("--lot", "L2")
    assert len({request.request_id for request in requests(service)}) == 2


def test_a_replacement_is_asked_for_even_where_a_chain_is(batches: Batches, service: FakeService) -> None:
    """The chain may be that of the certificate before; asking again for the replacement gives the same one."""
    batches.write("dev-1")
    batches.run()
    _, first = batches.json("--reason", "lost")
    replaced = (batches.out / "dev-1.chain.pem").read_bytes()
    _, second = batches.json("--reason", "lost")
    assert (first, second) == ({"issued": 1}, {"given_again": 1})
    assert (batches.out / "dev-1.chain.pem").read_bytes() == replaced
    assert len(service.issued) == 2


def test_a_refusal_holds_up_nobody_else(batches: Batches, service: FakeService) -> None:
    """It stands in a table with what to do; the exit code is the action's that most of them need."""
    batches.write(*(f"dev-{number}" for number in range(5)))
    service.refuse_items = {"dev-0": [TAKEN], "dev-2": [EXHAUSTED], "dev-3": [EXHAUSTED]}
    result = batches.run(code=5)
    assert sorted(path.name for path in batches.out.glob("*.chain.pem")) == ["dev-1.chain.pem", "dev-4.chain.pem"]
    for text in "REGISTRATION_ID_TAKEN", "WORK_ORDER_EXHAUSTED", f"{batches.manifest}:2", "failed":
        assert text in result.stdout


def test_json_says_of_each_device_what_became_of_it(batches: Batches, service: FakeService) -> None:
    """One object a line, the summary last."""
    batches.write("dev-1", "dev-2")
    service.refuse_items = {"dev-2": [TAKEN]}
    lines, summary = batches.json(code=3)
    assert summary == {"issued": 1, "failed": 1}
    assert lines["dev-1"]["serial_number"] == f"{batches.chain('dev-1')[0].serial_number:040x}"
    assert lines["dev-1"]["chain_file"] == str(batches.out / "dev-1.chain.pem")
    failed = lines["dev-2"]
    assert (failed["outcome"], failed["reason"], failed["action"]) == ("failed", "REGISTRATION_ID_TAKEN", "fix_device")
    assert (failed["line"], bool(failed["advice"])) == (3, True)


def test_what_failed_is_a_manifest_again(batches: Batches, service: FakeService) -> None:
    """With all that its lines and the options said, harmless in a spreadsheet, wherever it lies."""
    for number, device in enumerate(["dev-1", "-dev-2"]):
        batches.csr(device, f"{number}.pem")
    batches.write("dev-1,0.pem,1.2,", "-dev-2,1.pem,1.3,30d", heading="registration_id,csr,attr.fw,validity")
    service.refuse_items = {"-dev-2": [EXHAUSTED]}
    batches.run("--failures", batches.failures, "--work-order", "WO-1", code=5)
    (row,) = csv.DictReader(batches.failures.read_text().splitlines())
    assert (row["registration_id"], row["refused_reason"]) == ("'-dev-2", "WORK_ORDER_EXHAUSTED")
    moved = batches.folder / "left.csv"
    batches.failures.rename(moved)
    batches.run(moved, "--failures", batches.failures)
    *_, refused, issued = requests(service)
    assert issued == refused
    assert (issued.work_order, issued.validity.seconds, dict(issued.attributes)) == ("WO-1", 30 * 86400, {"fw": "1.3"})
    assert batches.failures.read_text() == "registration_id\n"


def test_a_wrong_line_sends_nothing(batches: Batches, service: FakeService) -> None:
    """The whole manifest is checked first: no key is made, nobody is asked."""
    batches.write(*(f"dev-{number}" for number in range(600)), "DEV-1")
    result = batches.run(code=5)
    assert f"{batches.manifest}:602: the same device as in line 3" in result.stderr
    assert not service.requests
    assert not batches.out.exists()


def test_what_ends_the_batch_names_what_is_left(batches: Batches, service: FakeService) -> None:
    """One message for all; those without their turn are in the file of failures, and no keys are made for them."""
    devices = [f"dev-{number}" for number in range(5000)]
    batches.write(*devices)
    service.script(*[refuse("ROLE_MISSING", "PERMISSION_DENIED", "call_operator")] * 20)
    result = batches.run("--failures", batches.failures, code=6)
    assert result.stderr.count("ROLE_MISSING (PERMISSION_DENIED)") == 1
    assert "not reached" in result.stdout
    rows = list(csv.DictReader(batches.failures.read_text().splitlines()))
    assert sorted(row["registration_id"] for row in rows) == sorted(devices)
    assert len(list(batches.out.glob("*.key.pem"))) < 3000
    service._script.clear()
    assert not list(batches.out.glob("*.chain.pem"))


def test_a_chain_that_is_in_the_way_is_one_device_s_matter(batches: Batches, service: FakeService) -> None:
    """A chain for another key is not overwritten, no certificate is spent on it, and the others get theirs."""
    batches.csr("dev-1", "1.pem")
    batches.csr("dev-2", "2.pem")
    batches.write("1.pem", heading="csr")
    batches.run()
    before = (batches.out / "dev-1.chain.pem").read_bytes()
    batches.csr("dev-1", "1.pem")
    batches.write("1.pem", "2.pem", heading="csr")
    lines, summary = batches.json(code=4)
    assert summary == {"issued": 1, "failed": 1}
    assert (batches.out / "dev-1.chain.pem").read_bytes() == before
    assert len(service.issued) == 2
    assert [line["error"] for line in lines.values() if line["outcome"] == "failed"] == ["OutputError"]


def test_another_device_s_certificate_is_not_written(batches: Batches, service: FakeService) -> None:
    """An answer in the wrong place would let one device pass for another."""

    def swapped(service: FakeService, request: Any, _: Any) -> Any:
        answer = service.issue_batch(request)
        results = list(answer.results)[::-1]
        del answer.results[:]
        answer.results.extend(results)
        return answer

    batches.write("dev-1", "dev-2")
    service.script(swapped)
    lines, summary = batches.json(code=6)
    assert summary == {"failed": 2}
    assert "another device's certificate" in lines["dev-1"]["message"]
    assert not list(batches.out.glob("*.chain.pem"))


def test_the_check_of_a_long_manifest_takes_little_memory(batches: Batches) -> None:
    """What is kept of each line is a name: 100,000 lines take some 20 MB."""
    from linecert_client.batch import checks  # noqa: PLC0415 - what is measured begins here
    from linecert_client.batch.manifest import open_manifest  # noqa: PLC0415 - as above
    from linecert_client.wishes import Wishes  # noqa: PLC0415 - as above

    count = 20_000
    batches.write(*(f"device-{number:08},lot-{number}" for number in range(count)), heading="registration_id,lot")
    none = Wishes(profile=None, work_order=None, lot=None, attributes={}, validity=None, reason=None)
    tracemalloc.start()
    try:
        assert checks.check(open_manifest([batches.manifest], none), lambda _: None) == count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / count < 250
