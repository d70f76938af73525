"""Which devices a batch is for: a CSV, JSON lines, CSR files, or a folder of them; read line by line."""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from linecert import registration_id as registration_ids
from linecert_client import csv_files, durations
from linecert_client.batch import json_lines
from linecert_client.batch.devices import Device, replacement_reason
from linecert_client.csv_files import Cells, Column
from linecert_client.errors import InputFileError
from linecert_client.wishes import Wishes

ATTRIBUTE_PREFIX: Final = "attr."
REFUSAL_COLUMNS: Final = ("refused_reason", "refused_action", "refused_message")
"""What `--failures` adds to a line, and is passed over when the file is given again."""

COLUMNS: Final = (
    Column("registration_id", ("device_id",)),
    Column("csr", ("csr_file",)),
    Column("request_id"),
    Column("profile"),
    Column("work_order", ("order",)),
    Column("lot"),
    Column("validity"),
    Column("replacement_reason"),
)
CSR_SUFFIXES: Final = (".csr", ".csr.pem", ".csr.der", ".p10")

_KNOWN: Final = (*COLUMNS, *(Column(name) for name in REFUSAL_COLUMNS))
_ATTRIBUTE: Final = re.compile(r"[a-z0-9_]{1,32}")
_SPREADSHEET_GUARD: Final = re.compile(r"'(?=[=+@-])")

_Parse = Callable[[Cells], Device]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The devices of a batch; can be read more than once.

    Attributes:
        path: what it is called in messages.
        read: its devices, one by one. Raises InputFileError: at once where it cannot be read, else at its end.
    """

    path: Path
    read: Callable[[], Iterator[Device]]


def open_manifest(paths: Sequence[Path], defaults: Wishes, *, other_columns: bool = False) -> Manifest:
    """The manifest that a command line names.

    Args:
        paths: one CSV or JSON-lines file, one folder of CSRs, or CSR files.
        defaults: what is asked for each device whose line does not say otherwise.
        other_columns: whether columns that nobody knows are passed over.

    Raises:
        InputFileError: a file is not there, or a folder holds no CSR.
    """
    path = paths[0]
    if len(paths) == 1 and path.is_dir():
        found = _csrs_in(path)
        return Manifest(path, lambda: _from_csrs(found, defaults))
    if len(paths) > 1 or path.name.lower().endswith(CSR_SUFFIXES):
        return Manifest(path, lambda: _from_csrs(paths, defaults))

    def parse(cells: Cells) -> Device:
        return _device(path, cells, defaults)

    if json_lines.looks_like(path):
        return Manifest(path, lambda: _numbered(json_lines.read(path, _names(), parse, other_columns=other_columns)))
    return Manifest(path, lambda: _numbered(_csv(path, parse, other_columns=other_columns)))


def _csv(path: Path, parse: _Parse, *, other_columns: bool) -> Iterator[csv_files.Line[Device]]:
    return csv_files.read(path, _KNOWN, parse, other_columns=other_columns, families=(ATTRIBUTE_PREFIX,))


def _names() -> dict[str, str]:
    return {name: column.name for column in _KNOWN for name in (column.name, *column.aliases)}


def _numbered(lines: Iterator[csv_files.Line[Device]]) -> Iterator[Device]:
    return (replace(line.content, line=line.number) for line in lines)


def _csrs_in(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(CSR_SUFFIXES))
    except OSError as error:
        raise InputFileError(folder, (error.strerror or "cannot be read").lower()) from error
    if not found:
        raise InputFileError(folder, f"there is no CSR in it, a file whose name ends in {', '.join(CSR_SUFFIXES)}")
    return found


def _from_csrs(paths: Sequence[Path], defaults: Wishes) -> Iterator[Device]:
    for path in paths:
        yield Device(file=path, line=None, registration_id=None, csr=path, request_id=None, wishes=defaults)


def _device(path: Path, cells: Cells, defaults: Wishes) -> Device:
    cells = {name: _SPREADSHEET_GUARD.sub("", cell, count=1) for name, cell in cells.items()}
    if cells.get("csr") == "":
        raise ValueError("csr is empty: for devices whose keys the station makes, leave out the column")
    csr = cells.get("csr")
    return Device(
        file=path,
        line=None,
        registration_id=_registration_id(cells.get("registration_id", ""), optional=csr is not None),
        csr=path.parent / csr if csr else None,
        request_id=_request_id(cells.get("request_id", "")),
        wishes=_wishes(cells, defaults),
    )


def _wishes(cells: Cells, defaults: Wishes) -> Wishes:
    validity, reason = cells.get("validity"), cells.get("replacement_reason")
    return Wishes(
        profile=cells.get("profile") or defaults.profile,
        work_order=cells.get("work_order") or defaults.work_order,
        lot=cells.get("lot") or defaults.lot,
        attributes=defaults.attributes | _attributes(cells),
        validity=_validity(validity) if validity else defaults.validity,
        reason=replacement_reason(reason) if reason else defaults.reason,
    )


def _attributes(cells: Cells) -> dict[str, str]:
    attributes = {
        name.removeprefix(ATTRIBUTE_PREFIX): cell
        for name, cell in cells.items()
        if name.startswith(ATTRIBUTE_PREFIX) and cell
    }
    for key in attributes:
        if not _ATTRIBUTE.fullmatch(key):
            raise ValueError("the name of an attribute is 1 to 32 of a-z, 0-9 and _, as in attr.firmware")
    return attributes


def _validity(text: str) -> timedelta:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ValueError(f"validity: {error}") from None


def _registration_id(text: str, *, optional: bool) -> str | None:
    if not text and optional:
        return None
    try:
        return registration_ids.check(text)
    except registration_ids.RegistrationIdError as error:
        raise ValueError(f"no registration ID: {error}") from None


def _request_id(text: str) -> str | None:
    try:
        if not text or str(uuid.UUID(text)) == text:
            return text or None
    except ValueError:
        pass
    raise ValueError("request_id is no UUID in lower case")
