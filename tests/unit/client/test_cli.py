"""The command `linecert` against a real server: files, exit codes, messages, and safety of a repeat."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from linecert_client import keys
from linecert_client.cli import app
from linecert_client.keys import KeyType
from support.client_pki import Pki, write_client_folder
from support.fake_service import FakeService, fail, hang, lose_answer, refuse
from support.server import free_ports

NO_TEXT = b"a\xff".decode(errors="surrogateescape")
_LINECERT = str(Path(sys.executable).with_name("linecert"))


class Station:
    """A station's shell: its client folder and an output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder.parent / "out"

    def run(self, command: str, *arguments: str, code: int = 0) -> Result:
        """Run a command and hold it to its exit code."""
        result = CliRunner().invoke(app, ["-C", str(self.folder), command, *arguments])
        assert result.exit_code == code, result.output
        return result

    def sign(self, *arguments: str, csr: bytes | None = None, code: int = 0) -> Result:
        """`linecert sign` of a CSR for device-01."""
        path = self.folder.parent / "device.csr.pem"
        if csr or not path.exists():
            path.write_bytes(csr or keys.make_csr(keys.generate(KeyType.P256), "device-01"))
        return self.run("sign", str(path), "--out", str(self.out), *arguments, code=code)

    def make(self, *arguments: str, code: int = 0) -> Result:
        """`linecert make` for device-01."""
        return self.run("make", "--registration-id", "device-01", "--out", str(self.out), *arguments, code=code)

    def file(self, kind: str) -> bytes:
        """A file of device-01."""
        return (self.out / f"device-01.{kind}").read_bytes()


@pytest.fixture
def station(folder: Path) -> Station:
    """A station of the fake service."""
    return Station(folder)


def error_of(result: Result) -> Any:
    """The JSON object on stderr."""
    return json.loads(result.stderr)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.RSA_2048])
def test_sign_writes_the_full_chain(station: Station, key_type: KeyType) -> None:
    """`sign` writes leaf, intermediate, root under the device's name, and says so."""
    key = keys.generate(key_type)
    result = station.sign(csr=keys.make_csr(key, "device-01"))
    chain = x509.load_pem_x509_certificates(station.file("chain.pem"))
    assert [certificate.subject.rfc4514_string() for certificate in chain] == ["CN=device-01", "CN=issuer", "CN=root"]
    assert chain[0].public_key() == key.public_key()
    assert "device-01.chain.pem" in result.stdout
    assert result.stderr == ""


def test_sign_uses_a_safe_name(station: Station) -> None:
    """A registration ID that is no safe file name is encoded."""
    station.sign(csr=keys.make_csr(keys.generate(KeyType.P256), "-a:b"))
    assert (station.out / "%2Da%3Ab.chain.pem").exists()


def test_sign_again_is_a_replay(station: Station, service: FakeService) -> None:
    """The same CSR again has the same request_id and gives the same file."""
    station.sign()
    before = station.file("chain.pem")
    assert "given again" in station.sign().stdout
    assert station.file("chain.pem") == before
    assert len({request.request_id for request in service.requests}) == 1


def test_sign_of_an_unreadable_csr_is_for_the_service_to_refuse(station: Station, service: FakeService) -> None:
    """A CSR that the client cannot read is sent, so that the reason is the service's; nothing is written."""
    service.script(refuse("CSR_MALFORMED", "INVALID_ARGUMENT", "fix_device", field="csr"))
    result = station.sign(csr=b"swordfish", code=3)
    assert "CSR_MALFORMED (INVALID_ARGUMENT, field csr)" in result.stderr
    assert not station.out.exists()


def test_sign_refuses_the_chain_of_another_key_before_it_asks(station: Station, service: FakeService) -> None:
    """A chain for another key is not overwritten, and no certificate is spent to find that out."""
    station.sign()
    before = station.file("chain.pem")
    result = station.sign(csr=keys.make_csr(keys.generate(KeyType.P256), "device-01"), code=4)
    assert "another key" in result.stderr
    assert "--out" in result.stderr
    assert station.file("chain.pem") == before
    assert len(service.requests) == 1


def test_lost_answer_and_a_new_process_give_the_same_certificate(station: Station, service: FakeService) -> None:
    """When every answer is lost until the deadline, the next run gets the certificate that was issued in the first."""
    service.script(lose_answer(), *[fail("UNAVAILABLE")] * 50)
    result = station.make("--deadline", "1s", code=7)
    assert service.requests[0].request_id in result.stderr
    service._script.clear()
    assert "given again" in station.make().stdout
    assert len(service.issued) == 1
    assert len({request.request_id for request in service.requests}) == 1


def test_make_writes_key_and_chain(station: Station) -> None:
    """`make` writes a key that belongs to the chain's leaf, for its owner's eyes alone."""
    result = station.make("--key-type", "p384")
    key = keys.key_from_pem(station.file("key.pem"))
    assert keys.key_type_of(key) is KeyType.P384
    assert x509.load_pem_x509_certificate(station.file("chain.pem")).public_key() == key.public_key()
    if os.name != "nt":
        assert stat.S_IMODE((station.out / "device-01.key.pem").stat().st_mode) == 0o600
    assert "PRIVATE" not in result.output


def test_make_again_changes_nothing(station: Station, service: FakeService) -> None:
    """`make` again keeps key, CSR, request_id and chain."""
    station.make()
    before = {path.name: path.read_bytes() for path in station.out.iterdir()}
    station.make()
    assert {path.name: path.read_bytes() for path in station.out.iterdir()} == before
    assert len(service.issued) == 1


def test_make_with_other_wishes_keeps_the_key(station: Station, service: FakeService) -> None:
    """After a refusal, `make` with what was missing is a new request for the same key."""
    service.script(refuse("WORK_ORDER_REQUIRED", "INVALID_ARGUMENT", "fix_station", field="work_order"))
    station.make(code=4)
    key = station.file("key.pem")
    station.make("--work-order", "WO-1")
    assert station.file("key.pem") == key
    first, second = service.requests
    assert first.request_id != second.request_id
    assert first.csr == second.csr


def test_make_killed_while_it_waits_goes_on(station: Station, service: FakeService) -> None:
    """Killed between asking and the answer, `make` asks the next time with the same key and request_id."""
    service.script(hang)
    arguments = ["-C", str(station.folder), "make", "--registration-id", "device-01", "--out", str(station.out)]
    with subprocess.Popen([_LINECERT, *arguments], stderr=subprocess.PIPE) as process:
        _await_request(service)
        process.kill()
    key = station.file("key.pem")
    station.make()
    assert station.file("key.pem") == key
    first, second = service.requests
    assert (first.request_id, first.csr) == (second.request_id, second.csr)


def test_make_for_rework_needs_a_new_key(station: Station, service: FakeService) -> None:
    """A replacement that needs a new key is not asked for with the old one, and the old key stays."""
    station.make()
    key = station.file("key.pem")
    result = station.make("--reason", "rework", code=4)
    assert "needs a new one" in result.stderr
    assert station.file("key.pem") == key
    assert len(service.requests) == 1


def test_make_for_a_lost_certificate_replaces_the_chain(station: Station, service: FakeService) -> None:
    """A replacement for the same key is a new request, and its chain takes the old one's place."""
    station.make()
    before = station.file("chain.pem")
    station.make("--reason", "lost")
    assert station.file("chain.pem") != before
    result = station.make("--reason", "lost")
    assert "new --request-id" in result.stderr
    assert len(service.issued) == 2


@pytest.mark.parametrize("command", ["sign", "make"])
def test_validate_only_writes_nothing(station: Station, command: str) -> None:
    """--validate-only leaves no file behind."""
    result = getattr(station, command)("--validate-only", "--json")
    assert json.loads(result.stdout)["validate_only"]
    assert "nothing was issued" in getattr(station, command)("--validate-only").stdout
    assert not station.out.exists()


def test_wishes_reach_the_service(station: Station, service: FakeService) -> None:
    """Every option of `sign` arrives in its field."""
    request_id = str(uuid.uuid4())
    station.sign(
        *(
            "--profile",
            "gateway",
            "--work-order",
            "WO-1",
            "--lot",
            "L",
            "--validity",
            "2d",
            "--reason",
            "key-compromise",
        ),
        *("--attribute", "fixture=3", "--attribute", "operator=a=b", "--request-id", request_id),
        *("--registration-id", "device-01", "--deadline", "10s"),
    )
    (request,) = service.requests
    assert (request.request_id, request.profile, request.work_order, request.lot) == (
        request_id,
        "gateway",
        "WO-1",
        "L",
    )
    assert dict(request.attributes) == {"fixture": "3", "operator": "a=b"}
    assert (request.validity.seconds, request.replacement_reason) == (2 * 86400, 3)
    assert request.registration_id == "device-01"


def test_json_of_make(station: Station) -> None:
    """--json prints the record, the chain and the files as one object."""
    answer = json.loads(station.make("--json").stdout)
    assert answer["registration_id"] == "device-01"
    assert answer["chain_pem"].encode() == station.file("chain.pem")
    assert answer["key_file"].endswith("device-01.key.pem")
    assert answer["issue_time"].endswith("Z")
    assert not answer["replayed"]
    assert "PRIVATE" not in json.dumps(answer)


@pytest.mark.parametrize(
    "reason, status, action, code",
    [
        ("CSR_MALFORMED", "INVALID_ARGUMENT", "fix_device", 3),
        ("FIELD_INVALID", "INVALID_ARGUMENT", "fix_station", 4),
        ("WORK_ORDER_CLOSED", "FAILED_PRECONDITION", "ask_planner", 5),
        ("CALLER_UNKNOWN", "PERMISSION_DENIED", "call_operator", 6),
        ("STATION_LIMIT_REACHED", "RESOURCE_EXHAUSTED", "retry", 7),
        ("SOMETHING_NEW", "INVALID_ARGUMENT", "ask_the_moon", 1),
    ],
)
def test_exit_code_names_who_has_to_act(
    station: Station, service: FakeService, *, reason: str, status: str, action: str, code: int
) -> None:
    """The exit code of a refusal follows from its action, and --json has it all in one object on stderr."""
    service.script(refuse(reason, status, action, message="no", detail="42"))
    result = station.sign("--json", code=code)
    assert result.stdout == ""
    error = error_of(result)
    assert (error["error"], error["reason"], error["status"], error["action"]) == ("Refused", reason, status, action)
    assert (error["message"], error["exit_code"], error["metadata"]) == ("no", code, {"detail": "42"})
    assert error["advice"]


def test_fault_of_the_service_exits_with_1(station: Station, service: FakeService) -> None:
    """INTERNAL is nobody's mistake but linecert's."""
    service.script(fail("INTERNAL", "broken"))
    assert "fault of the service" in station.sign(code=1).stderr


def test_refusal_says_what_where_and_what_next(station: Station, service: FakeService) -> None:
    """A refusal prints message, reason, field, metadata and advice, and no traceback."""
    service.script(
        refuse("REGISTRATION_ID_TAKEN", "ALREADY_EXISTS", "fix_device", message="it has one", serial_number="0a")
    )
    lines = station.sign(code=3).stderr.splitlines()
    assert lines[0] == "error: it has one"
    assert lines[1] == "  reason: REGISTRATION_ID_TAKEN (ALREADY_EXISTS)"
    assert lines[2] == "  serial_number: 0a"
    assert "repeat the request with a replacement reason (`--reason`)" in lines[3]


def test_message_cannot_steer_the_terminal(station: Station, service: FakeService) -> None:
    """Control characters in a message of the service are not printed."""
    service.script(refuse("CSR_MALFORMED", "INVALID_ARGUMENT", "fix_device", message="a\x1b[2Jb"))
    assert "\x1b" not in station.sign(code=3).stderr


def test_deadline_tells_the_request_id(station: Station, service: FakeService) -> None:
    """No answer in time is told with the request_id that can be sent again."""
    service.script(hang, hang)
    error = error_of(station.sign("--deadline", "1s", "--json", code=7))
    assert error["error"] == "DeadlineExceeded"
    assert error["request_id"] == service.requests[0].request_id


def test_given_up_tells_the_last_refusal(station: Station, service: FakeService) -> None:
    """A service that stays unavailable is told with its last reason."""
    service.script(*[refuse("OVERLOADED", "UNAVAILABLE", "retry")] * 50)
    error = error_of(station.sign("--deadline", "1s", "--json", code=7))
    assert (error["error"], error["reason"]) == ("Unavailable", "OVERLOADED")


def test_expired_certificate_in_a_process_of_its_own(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """An expired client certificate ends at once with file and date; stderr holds one JSON object and nothing else."""
    expired = pki.station_ca.issue("ict-07", start=timedelta(days=-9), end=timedelta(days=-2))
    folder = write_client_folder(tmp_path / "c", [service.address], expired, pki.server_ca)
    result = _linecert(folder, "issuers", "--json")
    assert result.returncode == 6
    error = json.loads(result.stderr)
    assert error["error"] == "TlsError"
    assert error["file"] == str(folder / "certificate.pem")
    assert error["not_after"] == expired.certificate.not_valid_after_utc.isoformat()


def test_unknown_server_ca_in_a_process_of_its_own(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A TLS failure leaves gRPC's own log lines out: stderr is the error alone."""
    folder = write_client_folder(tmp_path / "c", [service.address], pki.station, pki.stranger_ca)
    result = _linecert(folder, "issuers", "--json")
    assert result.returncode == 6
    assert json.loads(result.stderr)["file"] == str(folder / "server-ca.pem")


def test_warns_a_month_before_the_certificate_ends(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """From 30 days before its end the client certificate is warned of, once, on stderr."""
    ending = pki.station_ca.issue("ict-07", end=timedelta(days=29, hours=1))
    station = Station(write_client_folder(tmp_path / "c", [service.address], ending, pki.server_ca))
    result = station.run("issuers")
    assert result.stderr.count("warning") == 1
    assert "29 days" in result.stderr
    assert "29 days" in json.loads(station.run("issuers", "--json").stderr)["warning"]


@pytest.mark.parametrize("left, told", [(timedelta(hours=5), "4 hours"), (timedelta(minutes=9), "less than an hour")])
def test_the_last_days_are_told_in_hours(
    pki: Pki, service: FakeService, tmp_path: Path, left: timedelta, told: str
) -> None:
    """A client certificate that ends today is not said to end in 0 days."""
    ending = pki.station_ca.issue("ict-07", end=left)
    station = Station(write_client_folder(tmp_path / "c", [service.address], ending, pki.server_ca))
    assert f"ends in {told}, at" in station.run("issuers").stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps access rights elsewhere")
def test_warns_of_a_key_that_others_can_read(station: Station) -> None:
    """The station's own private key is warned of when it is open to others, and used all the same."""
    (station.folder / "key.pem").chmod(0o640)
    assert "others than its owner can read this private key" in station.run("issuers").stderr


def test_no_server_is_told_with_address_file_and_cause(station: Station) -> None:
    """Where nobody listens, the message has what to look at; a reading command has no request_id to speak of."""
    (port,) = free_ports()
    settings = station.folder / "client.toml"
    settings.write_text(re.sub("localhost:[0-9]+", f"localhost:{port}", settings.read_text()))
    told = station.run("issuers", "--deadline", "1s", code=7).stderr
    assert f"no server answers at localhost:{port} (connection refused): see `addresses` in {settings}" in told
    assert "linecert-server runs there" in told
    assert "request_id" not in told
    error = error_of(station.sign("--deadline", "1s", "--json", code=7))
    assert error["error"] == "Unreachable"
    assert error["request_id"] in error["advice"]


def test_an_unknown_host_is_for_the_station_to_correct(station: Station) -> None:
    """A host name that does not exist exits with 4."""
    settings = station.folder / "client.toml"
    settings.write_text(settings.read_text().replace("localhost", "nowhere.invalid"))
    told = station.run("issuers", "--deadline", "1s", code=4).stderr
    assert re.search(r"nowhere\.invalid:[0-9]+ \((no such host|the name server does not answer)\)", told)


@pytest.mark.parametrize(
    "content, reason, code",
    [(b"", "CSR_MALFORMED", 3), (bytes(20_000), "CSR_TOO_LARGE", 3), (b"-----BEGIN PRIVATE KEY", "CSR_NOT_ALONE", 4)],
)
def test_a_csr_that_needs_no_asking_is_refused_with_its_file(
    station: Station, service: FakeService, content: bytes, reason: str, code: int
) -> None:
    """Nothing is sent, and the message names the file."""
    path = station.folder.parent / "odd.pem"
    path.write_bytes(content)
    told = station.run("sign", str(path), code=code).stderr
    assert f"error: {path}: the CSR" in told
    assert reason in told
    assert not service.requests


def test_refusals_of_a_csr_name_its_file(station: Station, service: FakeService) -> None:
    """What the service finds wrong with a CSR is told with the file that it was read from."""
    service.script(refuse("CSR_MALFORMED", "INVALID_ARGUMENT", "fix_device", message="odd", field="csr"))
    assert "device.csr.pem: odd" in station.sign(code=3).stderr


def test_list_keeps_serial_numbers_whole_at_80_columns(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a narrow terminal columns are left out, and a serial number stays one that can be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    station.sign()
    lines = station.run("list").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert re.search(r"device-01 +[0-9a-f]{40}$", lines[2])
    assert "work order" not in lines[0]


def test_a_full_disk_is_told_in_a_sentence(station: Station) -> None:
    """Standard output that takes no more is an error of the machine, without a traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        command = [_LINECERT, "-C", str(station.folder), "issuers", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stderr)["message"] == "standard output: no space left on device"


def test_a_reader_who_goes_away_is_no_error(station: Station) -> None:
    """`linecert issuers | head -0` says nothing."""
    command = [_LINECERT, "-C", str(station.folder), "issuers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_version() -> None:
    """--version says which version of linecert this is."""
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"linecert {metadata.version('linecert')}\n"


def test_missing_folder_is_a_mistake_of_the_station(tmp_path: Path) -> None:
    """A folder without client.toml is told with its path."""
    result = Station(tmp_path / "nowhere").run("issuers", code=4)
    assert "client.toml" in result.stderr
    assert "next: Correct the file" in result.stderr


def test_folder_from_the_environment(station: Station) -> None:
    """LINECERT_CLIENT names the folder where -C does not."""
    result = CliRunner().invoke(app, ["issuers", "--json"], env={"LINECERT_CLIENT": str(station.folder)})
    assert json.loads(result.stdout)["station"] == "ict-07"


@pytest.mark.parametrize(
    "arguments",
    [
        ("make", "--registration-id", "../x"),
        ("make",),
        ("make", "--registration-id", "a", "--key-type", "dsa"),
        ("make", "--registration-id", "a", "--attribute", "x"),
        ("make", "--registration-id", "a", "--attribute", "x=1", "--attribute", "x=2"),
        ("make", "--registration-id", "a", "--validity", "5"),
        ("make", "--registration-id", "a", "--request-id", "1"),
        ("make", "--registration-id", "a", "--request-id", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ("make", "--registration-id", "a", "--reason", "whim"),
        ("sign", "nowhere.csr.pem"),
        ("show",),
        ("show", "01", "--registration-id", "a"),
        ("list", "--since", "yesterday"),
        ("list", "--limit", "0"),
        ("list", "--limit", str(1 << 63)),
        ("list", "--after-log-index", str(1 << 63)),
    ],
)
def test_wrong_usage_exits_with_2(station: Station, service: FakeService, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is wrong usage, and nothing is sent."""
    station.run(*arguments, code=2)
    assert service.requests == []


@pytest.mark.parametrize(
    "option, arguments",
    [
        ("--lot", ("make", "--registration-id", "a", "--out", "{out}", "--lot", NO_TEXT)),
        ("--work-order", ("sign", "{csr}", "--out", "{out}", "--work-order", NO_TEXT)),
        ("--attribute", ("batch", "{csr}", "--out", "{out}", "--attribute", f"b={NO_TEXT}")),
        ("SERIAL", ("show", NO_TEXT)),
        ("--registration-id-prefix", ("list", "--registration-id-prefix", NO_TEXT)),
        ("--station", ("stats", "--station", NO_TEXT)),
        ("--line", ("export", "--out", "{out}", "--line", NO_TEXT)),
        ("--serial", ("verify", "--serial", NO_TEXT)),
    ],
)
def test_what_is_no_text_is_wrong_usage(
    station: Station, service: FakeService, option: str, arguments: tuple[str, ...]
) -> None:
    """Octets that are not UTF-8 are told with their option, whatever the command, and nothing is sent."""
    csr = station.folder.parent / "device.csr.pem"
    csr.write_bytes(keys.make_csr(keys.generate(KeyType.P256), "device-01"))
    named = (argument.format(csr=csr, out=station.out) for argument in arguments)
    result = station.run(*named, code=2)
    assert f"Invalid value for '{option}" in result.stderr
    assert "is not UTF-8" in result.stderr
    assert service.requests == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_a_path_may_be_any_octets(station: Station) -> None:
    """A file's name is no text that is sent: a CSR in a folder whose name is not UTF-8 is signed as any other."""
    path = station.folder.parent / f"{NO_TEXT}.csr.pem"
    path.write_bytes(keys.make_csr(keys.generate(KeyType.P256), "device-01"))
    station.run("sign", str(path), "--out", str(station.out))
    assert station.file("chain.pem")


def test_list_prints_a_table_and_json(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """`list` prints one line a certificate, with whole serial numbers also into a pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)
    station.make("--work-order", "WO-1")
    serial = json.loads(station.run("list", "--json").stdout)[0]["serial_number"]
    table = station.run("list").stdout
    assert serial in table
    assert "WO-1" in table


def test_list_stops_at_its_limit(station: Station) -> None:
    """--limit is held over several pages, newest first."""
    for number in range(3):
        station.sign(csr=keys.make_csr(keys.generate(KeyType.P256), f"device-{number}"))
    listed = json.loads(station.run("list", "--limit", "2", "--json").stdout)
    assert [issued["registration_id"] for issued in listed] == ["device-2", "device-1"]
    assert "BEGIN CERTIFICATE" in listed[0]["certificate_pem"]


@pytest.mark.parametrize("since", ["2026-01-31", "2026-01-31T06:00:00Z", "2026-01-31T06:00:00+02:00", "12h"])
def test_list_takes_times(station: Station, service: FakeService, since: str) -> None:
    """--since and --until are dates, times or ages."""
    station.run("list", "--since", since, "--until", "1s")
    assert service.requests[0].filter.HasField("start_time")
    assert service.requests[0].filter.HasField("end_time")


def test_show_by_serial_and_by_device(station: Station) -> None:
    """`show` finds by serial number or device, prints what is set, and the chain as JSON."""
    station.make("--attribute", "fixture=3")
    device = json.loads(station.run("show", "--registration-id", "device-01", "--json").stdout)
    assert device["chain_pem"].encode() == station.file("chain.pem")
    shown = station.run("show", device["serial_number"]).stdout
    assert "attribute fixture" in shown
    assert device["request_id"] in shown
    assert "replaced by" not in shown
    assert "CERTIFICATE_UNKNOWN" in station.run("show", "0b", code=4).stderr


def test_issuers_prints_chains_and_profiles(station: Station) -> None:
    """`issuers` shows who is asking, the profiles with their validity, and the CA certificates."""
    shown = station.run("issuers").stdout
    assert "ict-07 on line smt-2" in shown
    assert "1825 d" in shown
    assert "CN=issuer" in shown
    answer = json.loads(station.run("issuers", "--json").stdout)
    assert answer["profiles"][0]["validity"] == 1825 * 86400
    assert "BEGIN CERTIFICATE" in answer["issuers"][0]["chain_pem"]


def test_help_documents_exit_codes() -> None:
    """--help says what each exit code means."""
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for meaning in ("3 correct the device", "4 correct the station", "5 ask the planner", "6 call the operator"):
        assert meaning in shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_interrupt_exits_with_130(station: Station, service: FakeService) -> None:
    """Ctrl-C ends a waiting call with 130 and without a traceback."""
    service.script(hang)
    with subprocess.Popen([_LINECERT, "-C", str(station.folder), "issuers"], stderr=subprocess.PIPE) as process:
        _await_request(service)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == b""


def _linecert(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [_LINECERT, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _await_request(service: FakeService) -> None:
    while not service.requests:  # the test's own time limit ends a wait in vain
        time.sleep(0.02)
