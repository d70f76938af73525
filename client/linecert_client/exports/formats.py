"""How a record is written, and how the last record of an interrupted file is read back."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from linecert_client.audit import log_file
from linecert_client.log_results import LogEntry
from linecert_client.records import FIELDS, issued_json, json_value
from linecert_client.results import IssuedCertificate

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS: Final = ("log_index", *(name for name in FIELDS if name != "log_index"))


@dataclass(frozen=True, slots=True)
class Format:
    """A format of one line a record.

    Attributes:
        header: the first line; empty where there is none.
        write: a record's line, its newline included.
        index: the log index of a line. Raises ValueError and others for what is no such line.
    """

    header: bytes
    write: Callable[[Any], bytes]
    index: Callable[[bytes], int]


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _csv_line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue().encode()


def _csv_row(issued: IssuedCertificate) -> bytes:
    return _csv_line([_cell(json_value(getattr(issued, name))) for name in _COLUMNS])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    return "" if value is None else str(value)


def _json_line(issued: IssuedCertificate) -> bytes:
    return json.dumps(issued_json(issued), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _log_line(item: LogEntry | str) -> bytes:
    return log_file.write_entry(item) if isinstance(item, LogEntry) else log_file.write_checkpoint(item)


JSONL: Final = Format(b"", _json_line, lambda line: int(json.loads(line)["log_index"]))
CSV: Final = Format(_csv_line(list(_COLUMNS)), _csv_row, lambda line: int(line.partition(b",")[0]))
LOG: Final = Format(b"", _log_line, lambda line: log_file.read_entry(line).log_index)
