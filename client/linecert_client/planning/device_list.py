"""A list of expected devices, checked as a whole before the first of them is sent: what is listed stays."""

import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Final

from linecert import registration_id as registration_ids
from linecert_client import csv_files
from linecert_client.csv_files import Line
from linecert_client.errors import InputFileError
from linecert_client.planning.files import read_expected
from linecert_client.progress import Progress, silent
from linecert_client.work_orders import ExpectedDevice

_BURST: Final = 2_000

# Sorted by SQLite, outside of memory where there are many.
_CONTRADICTIONS: Final = """
    SELECT line, first FROM
    (SELECT line, key_hash, min(line) OVER device AS first, first_value(key_hash) OVER device AS first_hash
     FROM devices WINDOW device AS (PARTITION BY key ORDER BY line))
    WHERE key_hash != first_hash ORDER BY line
"""


def check(path: Path, progress: Progress = silent, *, other_columns: bool = False) -> int:
    """The number of lines in a list that is right in every one of them.

    Args:
        path: of a CSV with `files.DEVICE_COLUMNS`.
        progress: is told how many more are read.
        other_columns: whether columns that nobody knows are passed over.

    Raises:
        InputFileError: a line is wrong, a device stands in two lines with different keys, or there is none at all.
    """
    # An empty name is a temporary database on the disk: https://sqlite.org/inmemorydb.html#temp_db
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript(
            "PRAGMA journal_mode = OFF; BEGIN;CREATE TABLE devices (line INTEGER PRIMARY KEY, key TEXT, key_hash TEXT);"
        )
        lines = read_expected(path, other_columns=other_columns)
        count = 0
        while burst := list(itertools.islice(lines, _BURST)):
            database.executemany("INSERT INTO devices VALUES (?, ?, ?)", map(_row, burst))
            count += len(burst)
            progress(len(burst))
        problems = database.execute(_CONTRADICTIONS).fetchmany(csv_files.PROBLEMS_KEPT)
    if not count:
        raise InputFileError(path, "there is no device in it")
    if problems:
        texts = [(line, f"the device of line {first}, with another public-key hash") for line, first in problems]
        raise csv_files.wrong_lines(path, texts)
    return count


def _row(line: Line[ExpectedDevice]) -> tuple[int, str, str]:
    return line.number, registration_ids.key(line.content.registration_id), line.content.public_key_sha256
