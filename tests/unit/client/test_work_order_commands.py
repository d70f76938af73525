"""`linecert work-order` against a real gRPC server: what it prints, and with which code it ends."""

import csv
import io
import json

import pytest

from support.fake_service import fail, refuse
from support.planner import Planner
from support.planner_service import lose_done

KEY = "ab" * 32


def test_open_says_what_stands_and_may_be_repeated(planner: Planner) -> None:
    """One line for people, the whole order for scripts; a second time nothing changes."""
    options = ("--quantity", "500", "--line", "smt-1", "--pattern", "dev-*", "--replacement-limit", "3")
    assert planner.run("open", "WO-1", *options).stdout == "WO-1: open, 0 of 500 issued\n"
    order = planner.read("open", "WO-1", *options)
    assert (order["quantity"], order["lines"], order["registration_id_patterns"]) == (500, ["smt-1"], ["dev-*"])
    assert (order["state"], order["replacement_limit"], order["close_time"]) == ("open", 3, None)


@pytest.mark.parametrize(
    "arguments",
    [
        ("open",),
        ("open", "WO-1"),
        ("open", "--quantity", "5"),
        ("open", "WO-1", "--quantity", "0"),
        ("open", "WO-1", "--quantity", str(1 << 63)),
        ("open", "WO-1", "--quantity", "5", "--replacement-limit", str(1 << 63)),
        ("open", "a\udcff", "--quantity", "5"),
        ("open", "WO-1", "--quantity", "5", "--line", "smt-1", "--line", "a\udcff"),
        ("open", "WO-1", "--csv", "{csv}"),
        ("open", "--csv", "{csv}", "--replacement-limit", "0"),
        ("update", "WO-1"),
        ("update", "WO-1", "--line", "smt-1", "--any-line"),
        ("update", "WO-1", "--quantity", str(1 << 63)),
        ("update", "WO-1", "--replacement-limit", str(1 << 63)),
        ("update", "WO-1", "--quantity", "5", "--etag", "a\udcff"),
        ("list", "--limit", str(1 << 63)),
        ("list", "--line", "a\udcff"),
        ("raise", "WO-1"),
        ("raise", "WO-1", "--quantity", str(1 << 63)),
        ("expect", "WO-1"),
    ],
)
def test_wrong_usage_exits_with_2(planner: Planner, arguments: tuple[str, ...]) -> None:
    """What contradicts itself, or says nothing, is not sent."""
    path = planner.write("orders.csv", "name,quantity\nWO-1,5\n")
    planner.run(*(argument.format(csv=path) for argument in arguments), code=2)
    assert not planner.service.requests


@pytest.mark.parametrize("number", [str(1 << 63), "9" * 20])
def test_a_number_that_the_contract_cannot_carry_is_an_error_of_the_file(planner: Planner, number: str) -> None:
    """A CSV's quantity and replacement_limit are judged where they stand, before anything is sent."""
    path = planner.write("orders.csv", f"name,quantity,replacement_limit\nWO-1,{number},\nWO-2,5,{number}\n")
    stderr = planner.run("open", "--csv", path, code=5).stderr
    assert f"{path}:2: quantity must be" in stderr
    assert f"{path}:3: replacement_limit must be" in stderr
    assert not planner.service.requests


def test_raise_only_raises(planner: Planner) -> None:
    """A lower number is a mistake, the same one is done already, and the etag guards against another planner."""
    etag = planner.service.order("WO-1", quantity=500).etag
    assert planner.run("raise", "WO-1", "--quantity", "600").stdout == "WO-1: open, 0 of 600 issued\n"
    assert planner.service.requests[-1].work_order.etag == etag
    planner.run("raise", "WO-1", "--quantity", "600")
    assert "more: lower it with" in planner.run("raise", "WO-1", "--quantity", "599", code=5).stderr
    assert planner.service.orders["WO-1"].quantity == 600


def test_update_and_its_etag(planner: Planner) -> None:
    """Lines and patterns can be set and taken away; another version of the order is not changed."""
    planner.service.order("WO-1", quantity=5, lines=["smt-1"])
    old = planner.read("show", "WO-1")["etag"]
    changed = planner.read("update", "WO-1", "--any-line", "--pattern", "dev-*", "--quantity", "4", "--etag", old)
    assert (changed["lines"], changed["registration_id_patterns"], changed["quantity"]) == ([], ["dev-*"], 4)
    assert "WORK_ORDER_CHANGED" in planner.run("update", "WO-1", "--quantity", "3", "--etag", old, code=7).stderr


def test_close_reopen_show_and_list(planner: Planner) -> None:
    """What a planner looks at during a day."""
    planner.service.order("WO-1", quantity=5, replacement_limit=2, lines=["smt-1"])
    planner.service.order("WO-2", quantity=7)
    planner.service.issue_for("WO-1", "dev-1")
    assert planner.run("close", "WO-1").stdout == "WO-1: closed, 1 of 5 issued\n"
    shown = planner.run("show", "WO-1").stdout
    for fact in ("closed", "1 of 5", "0 of 2", "smt-1", "any device", planner.service.orders["WO-1"].etag):
        assert fact in shown
    assert [order["name"] for order in planner.read("list", "--state", "open")] == ["WO-2"]
    assert planner.run("reopen", "WO-1").stdout == "WO-1: open, 1 of 5 issued\n"
    assert [order["name"] for order in planner.read("list")] == ["WO-1", "WO-2"]
    listed = planner.run("list", "--limit", "1").stdout
    assert "WO-1" in listed
    assert "WO-2" not in listed


def test_a_refusal_says_who_and_how_and_where_more_is(planner: Planner) -> None:
    """The server's rule, the advice of the catalogue, and the command that explains it."""
    stderr = planner.run("close", "WO-17", code=5).stderr
    assert stderr.startswith("error: there is no work order WO-17\n")
    assert "ask the planner to open the order (`linecert work-order open`)" in stderr
    assert "more: linecert explain WORK_ORDER_UNKNOWN" in stderr


# Files.


def test_open_csv_opens_all_and_may_be_repeated(planner: Planner) -> None:
    """What an MES exports; a second run changes nothing and succeeds as well."""
    path = planner.write(
        "orders.csv",
        "Name;Quantity;Lines;Replacement limit\r\nWO-1;500;smt-1 smt-2;3\r\nWO-2;20;;\r\n",
        encoding="utf-8-sig",
    )
    assert planner.run("open", "--csv", path).stdout == "WO-1: open, 0 of 500 issued\nWO-2: open, 0 of 20 issued\n"
    assert planner.service.orders["WO-1"].lines == ["smt-1", "smt-2"]
    before = dict(planner.service.orders)
    assert [order["name"] for order in planner.read("open", "--csv", path)["opened"]] == ["WO-1", "WO-2"]
    assert planner.service.orders == before


def test_open_csv_sends_nothing_while_a_line_is_wrong(planner: Planner) -> None:
    """All wrong lines are named, on stderr, and the exit code is the planner's."""
    path = planner.write("orders.csv", "name,quantity\nWO-1,500\nWO-2,many\n,7\n")
    stderr = planner.run("open", "--csv", path, code=5).stderr
    assert f"{path}:3: quantity must be" in stderr
    assert f"{path}:4: a work order's name" in stderr
    error = json.loads(planner.run("open", "--csv", path, "--json", code=5).stderr)
    assert (error["error"], error["file"], len(error["problems"])) == ("InputFileError", path, 2)
    assert not planner.service.requests


def test_open_csv_goes_on_after_a_refused_order(planner: Planner) -> None:
    """Each refused line is named with file, line and reason; the others are opened; the first one gives the code."""
    planner.service.order("WO-2", quantity=7)
    path = planner.write("orders.csv", "name,quantity,profile\nWO-1,5,\nWO-2,8,\nWO-3,9,unknown\nWO-4,1,\n")
    result = planner.run("open", "--csv", path, code=5)
    assert result.stdout == "WO-1: open, 0 of 5 issued\nWO-4: open, 0 of 1 issued\n"
    assert f"error: {path}:3: work order WO-2 is there already\n" in result.stderr
    assert f"error: {path}:4: no such profile\n" in result.stderr
    assert "2 of 4 orders opened" in result.stderr
    answer = planner.run("open", "--csv", path, "--json", code=5)
    assert json.loads(answer.stdout)["refused"] == 2
    assert [json.loads(line)["reason"] for line in answer.stderr.splitlines()] == [
        "WORK_ORDER_EXISTS",
        "PROFILE_UNKNOWN",
    ]


def test_open_csv_stops_where_every_order_would_fail(planner: Planner) -> None:
    """A caller without the role hears it once, and not once a line."""
    planner.service.script(refuse("ROLE_MISSING", "PERMISSION_DENIED", "call_operator", message="you are no planner"))
    path = planner.write("orders.csv", "name,quantity\nWO-1,5\nWO-2,8\n")
    stderr = planner.run("open", "--csv", path, code=6).stderr
    assert f"{path}:2: you are no planner" in stderr
    assert len(planner.service.requests) == 1


def test_expect_imports_a_list_and_may_be_repeated(planner: Planner) -> None:
    """Registration IDs with or without a key; the second time all are there already."""
    planner.service.order("WO-1", quantity=5)
    path = planner.write("ids.csv", f"registration_id;public_key_sha256\ndev-1;{KEY}\nDev-2;\n")
    assert planner.run("expect", "WO-1", "--csv", path).stdout == (
        "2 devices imported, 0 were there already\nWO-1: open, 0 of 5 issued, 2 expected by name\n"
    )
    assert planner.service.expected["WO-1"] == {"dev-1": KEY, "Dev-2": ""}
    answer = planner.read("expect", "WO-1", "--csv", path)
    assert (answer["imported"], answer["already_there"], answer["work_order"]["expected_devices"]) == (0, 2, 2)


def test_expect_sends_nothing_while_a_line_is_wrong(planner: Planner) -> None:
    """What is listed stays, so the last line is looked at before the first one goes out."""
    planner.service.order("WO-1", quantity=5)
    path = planner.write("ids.csv", "registration_id\n" + "".join(f"dev-{n}\n" for n in range(12_000)) + "dev.\n")
    assert (
        f"{path}:12002: no registration ID: its last character"
        in planner.run("expect", "WO-1", "--csv", path, code=5).stderr
    )
    assert not planner.service.requests


# The report.


@pytest.fixture
def produced(planner: Planner) -> Planner:
    """An order of three devices, all with a certificate, one with its second."""
    planner.service.order("WO-1", quantity=3, replacement_limit=1, expected_devices=3)
    planner.service.expected["WO-1"] = dict.fromkeys(("dev-1", "dev-2", "dev-3"), "")
    for device in ("dev-1", "dev-2", "dev-3"):
        planner.service.issue_for("WO-1", device)
    planner.service.issue_for("WO-1", "dev-2", reason="REWORK")
    planner.service.issue_for("WO-2", "dev-9")
    return planner


def test_a_report_without_differences_exits_with_0(produced: Planner) -> None:
    """A replacement that was lawful is shown and is no difference."""
    expected = produced.write("ids.csv", "registration_id\ndev-1\ndev-2\ndev-3\n")
    built = produced.write("serials.csv", f"serial_number\n{0x4000:x}\n{0x4003:x}\n{0x4002:x}\n")
    found = produced.read("report", "WO-1", "--expected", expected, "--built", built)
    assert found["agrees"] is True
    assert [(one["kind"], one["registration_id"], one["detail"]) for one in found["differences"]] == [
        ("replaced", "dev-2", f"generation 2, for rework, replaces {0x4001:040x}")
    ]
    numbers = found["numbers"]
    assert (numbers["quantity"], numbers["issued"], numbers["built"], numbers["replacements"]) == (3, 3, 3, 1)
    assert "agree" in produced.run("report", "WO-1").stdout


def test_a_report_with_differences_exits_with_8(produced: Planner) -> None:
    """Missing, extra and replaced ones in one table, with the line of the file of built devices."""
    expected = produced.write("ids.csv", "registration_id\ndev-1\ndev-2\ndev-4\n")
    built = produced.write("serials.csv", f"registration_id;serial_number\ndev-1;\ndev-2;{0x4001:x}\ndev-9;\n")
    arguments = ("report", "WO-1", "--expected", expected, "--built", built)
    found = produced.read(*arguments, code=8)
    assert [(one["kind"], one["code"], one["registration_id"], one["line"]) for one in found["differences"]] == [
        ("missing", "not_issued", "dev-4", None),
        ("missing", "not_built", "dev-3", None),
        ("extra", "not_expected", "dev-3", None),
        ("extra", "no_certificate", "dev-9", 4),
        ("replaced", "outdated_certificate_built", "dev-2", 3),
        ("replaced", "replaced", "dev-2", None),
    ]
    assert (found["numbers"]["missing"], found["numbers"]["extra"], found["numbers"]["replaced"]) == (2, 2, 2)
    shown = produced.run(*arguments, code=8).stdout
    for text in ("missing", "extra", "replaced", "dev-4", "there are differences"):
        assert text in shown


def test_a_report_compares_with_what_the_service_expects(produced: Planner) -> None:
    """Without a file the service's own list counts, also where its stream breaks; a file takes its place."""
    produced.service.expected["WO-1"] = dict.fromkeys(("dev-1", "Dev-2", "dev-4", "dev-5"), KEY)
    produced.service.orders["WO-1"].expected_devices = 4
    produced.service.script(lambda *_: None, lambda *_: None, lose_done())
    found = produced.read("report", "WO-1", code=8)
    assert [(one["code"], one["registration_id"]) for one in found["differences"]] == [
        ("not_issued", "dev-4"),
        ("not_issued", "dev-5"),
        ("not_expected", "dev-3"),
        ("replaced", "dev-2"),
    ]
    assert (found["numbers"]["expected_listed"], found["numbers"]["expected_by_service"]) == (4, 4)
    exports = [request.DESCRIPTOR.name for request in produced.service.requests].count("ExportExpectedDevicesRequest")
    assert exports == 2
    expected = produced.write("ids.csv", "registration_id\ndev-1\ndev-2\ndev-3\ndev-6\n")
    found = produced.read("report", "WO-1", "--expected", expected, code=8)
    assert [one["registration_id"] for one in found["differences"]] == ["dev-6", "dev-2"]


def test_a_report_of_an_order_without_a_list_expects_any_device(planner: Planner) -> None:
    """Nobody named a device, so none is missing or extra."""
    planner.service.order("WO-1", quantity=1)
    planner.service.issue_for("WO-1", "dev-1")
    found = planner.read("report", "WO-1")
    assert (found["agrees"], found["numbers"]["expected_listed"]) == (True, None)


def test_a_report_while_devices_are_listed(produced: Planner) -> None:
    """An import that goes on beside the report makes no difference of the counts; a list that is too short does."""
    order, listed = produced.service.orders["WO-1"], produced.service.expected["WO-1"]

    def import_one(*_: object) -> None:
        listed["dev-4"] = ""
        order.expected_devices += 1

    produced.service.script(*[lambda *_: None] * 3, import_one)
    assert produced.read("report", "WO-1")["agrees"]
    found = produced.read("report", "WO-1", code=8)
    assert [one["code"] for one in found["differences"]] == ["not_issued", "replaced"]
    del listed["dev-4"]
    found = produced.read("report", "WO-1", code=8)
    assert [one["detail"] for one in found["differences"] if one["kind"] == "order"] == [
        "the list names 3 devices, the service expects 4"
    ]


def test_a_report_writes_a_csv(produced: Planner) -> None:
    """Every difference is a row, and no cell is a formula."""
    built = produced.write("serials.csv", "registration_id\n-dev\n")
    out = produced.folder.parent / "differences.csv"
    assert "not among the built" in produced.run("report", "WO-1", "--built", built, "--out", str(out), code=8).stdout
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(row["code"], row["registration_id"], row["line"]) for row in rows] == [
        ("not_built", "dev-1", ""),
        ("not_built", "dev-2", ""),
        ("not_built", "dev-3", ""),
        ("no_certificate", "'-dev", "2"),
        ("replaced", "dev-2", ""),
    ]


def test_a_report_compares_the_numbers_of_the_order(produced: Planner) -> None:
    """An order that is not complete, a list of another length, and records that are not what the order counts."""
    order = produced.service.orders["WO-1"]
    order.quantity = 10
    order.issued = 2
    expected = produced.write("ids.csv", "registration_id\ndev-1\ndev-2\n")
    found = produced.read("report", "WO-1", "--expected", expected, code=8)
    assert [one["detail"] for one in found["differences"] if one["kind"] == "order"] == [
        "3 of 10 devices have a certificate",
        "the records name 3 devices, the order counts 2",
        "the list names 2 devices, the service expects 3",
    ]


def test_a_long_report_is_cut_on_the_screen_only(planner: Planner) -> None:
    """A table of a thousand rows helps nobody; --json has them all."""
    planner.service.order("WO-1", quantity=1)
    planner.service.issue_for("WO-1", "dev-1")
    built = planner.write("serials.csv", "registration_id\n" + "".join(f"other-{n}\n" for n in range(150)))
    assert "the first 100 only; --out FILE writes all" in planner.run("report", "WO-1", "--built", built, code=8).stdout
    assert len(planner.read("report", "WO-1", "--built", built, code=8)["differences"]) == 151


def test_a_report_goes_on_where_its_stream_broke(produced: Planner) -> None:
    """A broken connection costs no record and makes none twice."""
    produced.service.script(lambda *_: None, fail("UNAVAILABLE"))
    assert produced.read("report", "WO-1")["numbers"]["issued"] == 3


def test_a_report_of_a_wrong_file_is_no_difference(produced: Planner) -> None:
    """Exit code 8 is for what was compared."""
    built = produced.write("serials.csv", "serial_number\nSN-1\n")
    assert f"{built}:2: serial_number is not" in produced.run("report", "WO-1", "--built", built, code=5).stderr
