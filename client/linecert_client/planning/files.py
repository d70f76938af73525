"""The files of a planner: orders that an MES exports, devices that an order expects, and what was really built."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linecert import registration_id as registration_ids
from linecert_client import csv_files
from linecert_client.csv_files import Cells, Column, Line
from linecert_client.errors import InputFileError
from linecert_client.work_orders import ExpectedDevice

ORDER_COLUMNS: Final = (
    Column("name", ("work_order", "order"), required=True),
    Column("quantity", required=True),
    Column("profile"),
    Column("lines", ("line",)),
    Column("patterns", ("pattern", "registration_id_patterns")),
    Column("replacement_limit"),
)
DEVICE_COLUMNS: Final = (
    Column("registration_id", ("device_id",), required=True),
    Column("public_key_sha256"),
)
BUILT_COLUMNS: Final = (
    Column("registration_id", ("device_id",)),
    Column("serial_number", ("certificate_serial_number",)),
)

_LONGEST_NAME: Final = 64
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_SEPARATORS: Final = re.compile(r"[\s,;|]+")
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")
_SERIAL_DIGITS: Final = 40
_SPREADSHEET_GUARD: Final = re.compile(r"'(?=[=+@-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrder:
    """A line of an orders file; fields as those of `Client.open_work_order`."""

    name: str
    quantity: int
    profile: str | None
    lines: tuple[str, ...]
    patterns: tuple[str, ...]
    replacement_limit: int


@dataclass(frozen=True, slots=True)
class Built:
    """A device that was built.

    Attributes:
        registration_id: empty where the file does not say.
        serial_number: of the certificate on it, 40 lower-case hex digits; empty where the file does not say.
    """

    registration_id: str
    serial_number: str


def read_orders(path: Path, *, other_columns: bool = False) -> list[Line[PlannedOrder]]:
    """All orders of a file, checked as far as that can be done without the service.

    Args:
        path: of a CSV with `ORDER_COLUMNS`.
        other_columns: whether columns that nobody knows are passed over.

    Raises:
        InputFileError: something is wrong with it, or an order stands in it twice.
    """
    orders = list(csv_files.read(path, ORDER_COLUMNS, _order, other_columns=other_columns))
    first: dict[str, int] = {}
    twice = [
        (order.number, f"the same order as in line {line}")
        for order in orders
        if (line := first.setdefault(order.content.name, order.number)) != order.number
    ]
    if twice:
        raise csv_files.wrong_lines(path, twice)
    if not orders:
        raise InputFileError(path, "there is no order in it")
    return orders


def read_expected(path: Path, *, other_columns: bool = False) -> Iterator[Line[ExpectedDevice]]:
    """The devices of a file, one by one.

    Args:
        path: of a CSV with `DEVICE_COLUMNS`.
        other_columns: whether columns that nobody knows are passed over.

    Raises:
        InputFileError: after the last line, where any was wrong.
    """
    return csv_files.read(path, DEVICE_COLUMNS, _device, other_columns=other_columns)


def read_built(path: Path) -> Iterator[Line[Built]]:
    """What was built, one by one: by registration ID, by the certificate's serial number, or by both.

    Args:
        path: of a CSV with one or both of `BUILT_COLUMNS`; others are passed over.

    Raises:
        InputFileError: after the last line, where any was wrong.
    """
    return csv_files.read(path, BUILT_COLUMNS, _built, other_columns=True)


def _order(cells: Cells) -> PlannedOrder:
    name = cells["name"]
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a work order's name has 1 to {_LONGEST_NAME} printable characters")
    return PlannedOrder(
        name=name,
        quantity=_number(cells["quantity"], "quantity", least=1),
        profile=cells.get("profile") or None,
        lines=_several(cells.get("lines", "")),
        patterns=_several(cells.get("patterns", "")),
        replacement_limit=_number(cells.get("replacement_limit") or "0", "replacement_limit", least=0),
    )


def _number(text: str, name: str, *, least: int) -> int:
    if not _NUMBER.fullmatch(text) or int(text) < least:
        raise ValueError(f"{name} must be a whole number from {least} on, in digits alone such as 1500")
    return int(text)


def _several(text: str) -> tuple[str, ...]:
    # Neither lines nor patterns can hold any of the separators.
    return tuple(part for part in _SEPARATORS.split(text) if part)


def _device(cells: Cells) -> ExpectedDevice:
    return ExpectedDevice(_registration_id(cells["registration_id"]), cells.get("public_key_sha256", "").lower())


def _registration_id(cell: str) -> str:
    """A registration ID; an apostrophe that an export put before it for spreadsheets is no part of it."""
    try:
        return registration_ids.check(_SPREADSHEET_GUARD.sub("", cell, count=1))
    except registration_ids.RegistrationIdError as error:
        raise ValueError(f"no registration ID: {error}") from None


def _built(cells: Cells) -> Built:
    registration_id = cells.get("registration_id", "")
    serial_number = cells.get("serial_number", "")
    if not (registration_id or serial_number):
        raise ValueError("names neither a registration ID nor a serial number")
    return Built(_registration_id(registration_id) if registration_id else "", _serial(serial_number))


def _serial(cell: str) -> str:
    if not cell:
        return ""
    digits = cell.replace(":", "").lower()
    if not _SERIAL.fullmatch(digits):
        raise ValueError(
            "serial_number is not that of a certificate, in hex; devices go under a heading registration_id"
        )
    return digits.zfill(_SERIAL_DIGITS)
