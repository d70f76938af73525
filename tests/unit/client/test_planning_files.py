"""The files of a planner: what is read, and that every error names file and line."""

import tracemalloc
from collections import deque
from pathlib import Path

import pytest

from linecert_client import InputFileError
from linecert_client.csv_files import PROBLEMS_KEPT
from linecert_client.planning import device_list
from linecert_client.planning.files import Built, PlannedOrder, read_built, read_expected, read_orders

KEY = "AB" * 32
ORDERS = "name;quantity;lines;patterns;replacement_limit\r\nWO-1;500;smt-1 smt-2;dev-*|x-?;3\r\n\r\nWO-2;20;;;\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "file.csv"


def problem(path: Path, text: str | bytes, read: object = read_expected) -> InputFileError:
    """The error that reading the text ends with."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputFileError) as caught:
        list(read(path))  # type: ignore[operator]  # one of the readers
    assert caught.value.action == "ask_planner"
    assert str(path) in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        ORDERS.encode(),
        ORDERS.replace(";", ",").encode(),
        b"\xef\xbb\xbf" + ORDERS.encode(),
        ORDERS.replace("\r\n", "\n")
        .replace("name", '"Work Order"')
        .replace("replacement_limit", "Replacement-Limit")
        .encode(),
        ORDERS.replace("smt-1 smt-2", '"smt-1;smt-2"').encode(),
    ],
    ids=["semicolons", "commas", "byte-order-mark", "headings", "quotes"],
)
def test_orders_as_systems_write_them(path: Path, text: bytes) -> None:
    """Delimiter, byte order mark, spelling of headings and blank lines are the system's own matter."""
    path.write_bytes(text)
    first, second = read_orders(path)
    assert first.content == PlannedOrder(
        name="WO-1",
        quantity=500,
        profile=None,
        lines=("smt-1", "smt-2"),
        patterns=("dev-*", "x-?"),
        replacement_limit=3,
    )
    assert (second.number, second.content.name, second.content.lines) == (4, "WO-2", ())


@pytest.mark.parametrize(
    "line, meant",
    [
        ("WO-1;0", "quantity must be a whole number from 1 on"),
        ("WO-1;1.000", "quantity must be a whole number"),
        ("WO-1;\N{ARABIC-INDIC DIGIT FIVE}", "quantity must be a whole number"),
        (";5", "a work order's name has 1 to 64 printable characters"),
        ("WO\x07;5", "a work order's name"),
        ("x" * 65 + ";5", "a work order's name"),
        ("WO-1", "has 1 cells, and the first line names 2 columns"),
        ("WO-1;5;more", "has 3 cells"),
    ],
)
def test_a_wrong_order_is_named_with_its_line(path: Path, line: str, meant: str) -> None:
    """File, line and rule."""
    error = problem(path, f"name;quantity\nWO-0;7\n{line}\n", read_orders)
    assert error.message.startswith(f"{path}:3: {meant}")


def test_all_wrong_lines_are_named_at_once(path: Path) -> None:
    """A planner corrects a file once; of very many only the first are told, and how many there are."""
    error = problem(path, "name,quantity\n" + "WO-1,x\n" * 2 + "WO-2,1\n" + "WO-3,y\n" * 30, read_orders)
    assert error.message == f"{path}: 32 lines are wrong"
    assert error.problems[0].startswith(f"{path}:2: quantity")
    assert error.problems[2].startswith(f"{path}:5: quantity")
    assert len(error.problems) == PROBLEMS_KEPT + 1
    assert error.problems[-1] == f"{path}: and 12 more"


def test_an_order_that_stands_twice_is_an_error(path: Path) -> None:
    """Nobody knows which of the two is meant."""
    assert problem(path, "name,quantity\nA,1\nB,1\nA,2\n", read_orders).message == (
        f"{path}:4: the same order as in line 2"
    )


@pytest.mark.parametrize(
    "text, meant",
    [
        ("name,quantity,lins\nA,1,smt-1\n", "unknown column 'lins': did you mean lines?"),
        ("name,quantity,colour\nA,1,red\n", "unknown column 'colour': the first line must name columns"),
        ("name,lines\nA,smt-1\n", "there is no column quantity"),
        ("A,1\n", "there is no column name"),
        ("", "there is no column name"),
        ("name,order,quantity\nA,B,1\n", "there are two columns for name"),
        ("name,quantity\n", "there is no order in it"),
    ],
)
def test_a_heading_is_taken_at_its_word(path: Path, text: str, meant: str) -> None:
    """A misspelt column would leave out a rule without a word."""
    assert meant in problem(path, text, read_orders).message


def test_other_columns_are_passed_over_where_that_is_wanted(path: Path) -> None:
    """An MES has columns of its own."""
    path.write_text("customer,name,quantity,\nACME,A,1,\n")
    (line,) = read_orders(path, other_columns=True)
    assert line.content.name == "A"


@pytest.mark.parametrize(
    "text, meant",
    [
        ("registration_id\ndev-1\n".encode("utf-16"), "is UTF-16: save it as CSV UTF-8"),
        (b"registration_id\ndev-1\nd\xe9v-2\n", ":3: is not UTF-8"),
        (b'registration_id\n"dev-1\n', "is not CSV"),
        (b'registration_id\n"dev"-1\n', ":2: is not CSV"),
    ],
)
def test_what_is_no_csv_is_told(path: Path, text: bytes, meant: str) -> None:
    """Another encoding or a broken quote is an error with its line, and no traceback."""
    assert meant in problem(path, text).message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """As any other error of it."""
    with pytest.raises(InputFileError, match="no such file"):
        list(read_expected(tmp_path / "missing.csv"))


def test_expected_devices(path: Path) -> None:
    """IDs keep their case, hashes become lower case, and the apostrophe of an export is no part of an ID."""
    path.write_text(f"registration_id,public_key_sha256\nDev-1,{KEY}\n'-dev-2,\n")
    devices = [line.content for line in read_expected(path)]
    assert [(device.registration_id, device.public_key_sha256) for device in devices] == [
        ("Dev-1", KEY.lower()),
        ("-dev-2", ""),
    ]


@pytest.mark.parametrize(
    "line, meant",
    [
        ("dev_1_,", "no registration ID: its last character must be"),
        ("d\N{LATIN SMALL LETTER E WITH ACUTE}v,", "no registration ID: only ASCII"),
        ("\N{KELVIN SIGN}1,", "no registration ID: only ASCII"),
        (",", "no registration ID: it is empty"),
        ("dev-1,abc", "a public-key hash is SHA-256"),
    ],
)
def test_a_wrong_device_is_named_with_its_line_and_rule(path: Path, line: str, meant: str) -> None:
    """The grammar is that of DPS, and what is refused does not come back in the message."""
    text = f"registration_id,public_key_sha256\ndev-0,\n{line if line != ',' else ',' + KEY}\n"
    error = problem(path, text)
    assert error.message.startswith(f"{path}:3: {meant}")


def test_a_list_is_checked_as_a_whole(path: Path) -> None:
    """A device may stand there twice, in any case, but not with two keys: what is listed stays."""
    good = f"registration_id,public_key_sha256\nDev-1,{KEY}\ndev-2,\ndev-1,{KEY}\ndev-2,\n"
    path.write_text(good)
    told: list[int] = []
    assert device_list.check(path, told.append) == 4
    assert sum(told) == 4
    error = problem(path, good + f"DEV-1,{'cd' * 32}\ndev-2,{KEY}\n", lambda path: [device_list.check(path)])
    assert error.problems == (
        f"{path}:6: the device of line 2, with another public-key hash",
        f"{path}:7: the device of line 3, with another public-key hash",
    )
    assert "no device" in problem(path, "registration_id\n", lambda path: [device_list.check(path)]).message


def test_built_devices_by_id_by_serial_or_by_both(path: Path) -> None:
    """The heading says what a cell is; serial numbers are taken as people and programs write them."""
    path.write_text("station;serial_number;registration_id\nict-1;0A:B1;\nict-1;;dev-1\nict-2;ff;dev-2\n")
    assert [line.content for line in read_built(path)] == [
        Built("", "0ab1".zfill(40)),
        Built("dev-1", ""),
        Built("dev-2", "ff".zfill(40)),
    ]


@pytest.mark.parametrize(
    "text, meant",
    [
        ("serial_number\nSN-100\n", ":2: serial_number is not that of a certificate"),
        ("serial_number,registration_id\n,\n0a,b.\n", "no registration ID"),
        ("board\nSN-100\n", "there is no column that is known"),
    ],
)
def test_wrong_lines_of_built_devices(path: Path, text: str, meant: str) -> None:
    """A device's own serial number is not taken for a certificate's."""
    assert meant in problem(path, text, read_built).message


def peak(path: Path, lines: int) -> int:
    """The bytes of Python objects that checking and reading a list of so many devices takes at most."""
    path.write_text("registration_id,public_key_sha256\n" + "".join(f"dev-{n},{KEY}\n" for n in range(lines)))
    tracemalloc.start()
    try:
        device_list.check(path)
        deque(read_expected(path), maxlen=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_list_takes_no_more_memory_than_a_short_one(path: Path) -> None:
    """A million devices are read line by line."""
    short = peak(path, 4_000)
    assert peak(path, 24_000) < 1.5 * short
