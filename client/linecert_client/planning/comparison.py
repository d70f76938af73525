"""What was expected, what was issued and what was built, held against each other.

The lists go into a temporary SQLite database, which SQLite keeps in a file of its own and drops when it is closed: a
million devices take no more memory than a hundred, and the comparison is a few joins.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from linecert import registration_id as registration_ids
from linecert_client.csv_files import Line
from linecert_client.planning.differences import Code, Difference
from linecert_client.planning.files import Built
from linecert_client.progress import Progress, silent
from linecert_client.results import IssuedCertificate
from linecert_client.work_orders import ExpectedDevice

_BURST: Final = 2_000

_SCHEMA: Final = """
CREATE TABLE issued (
    key TEXT, generation INTEGER, registration_id TEXT, serial TEXT UNIQUE, reason TEXT, replaces TEXT,
    PRIMARY KEY (key, generation)
) WITHOUT ROWID;
CREATE TABLE expected (key TEXT PRIMARY KEY, registration_id TEXT) WITHOUT ROWID;
CREATE TABLE built (line INTEGER PRIMARY KEY, key TEXT, registration_id TEXT, serial TEXT);
CREATE INDEX built_key ON built (key);
-- Of the columns beside max(), SQLite takes the row that has it: https://sqlite.org/lang_select.html#bareagg
CREATE VIEW devices AS SELECT key, max(generation) AS generation, registration_id, serial FROM issued GROUP BY key;
"""

# Each gives registration ID, serial number, line and the details of its text.
_QUERIES: Final[dict[Code, str]] = {
    Code.NOT_ISSUED: """
        SELECT registration_id, '', NULL FROM expected e
        WHERE NOT EXISTS (SELECT 1 FROM issued i WHERE i.key = e.key) ORDER BY key""",
    Code.NOT_BUILT: """
        SELECT registration_id, serial, NULL FROM devices d
        WHERE NOT EXISTS (SELECT 1 FROM built b WHERE b.key = d.key) ORDER BY key""",
    Code.NOT_EXPECTED: """
        SELECT registration_id, serial, NULL FROM devices d
        WHERE NOT EXISTS (SELECT 1 FROM expected e WHERE e.key = d.key) ORDER BY key""",
    Code.NO_CERTIFICATE: """
        SELECT registration_id, serial, line FROM built b
        WHERE NOT EXISTS (SELECT 1 FROM issued i WHERE i.key = b.key) ORDER BY line""",
    Code.BUILT_TWICE: """
        SELECT registration_id, serial, line, first FROM
        (SELECT *, min(line) OVER (PARTITION BY key) AS first FROM built WHERE key IS NOT NULL)
        WHERE line > first ORDER BY line""",
    Code.OTHER_CERTIFICATE: """
        SELECT b.registration_id, b.serial, b.line FROM built b
        WHERE b.serial != '' AND EXISTS (SELECT 1 FROM issued i WHERE i.key = b.key)
        AND NOT EXISTS (SELECT 1 FROM issued i WHERE i.key = b.key AND i.serial = b.serial) ORDER BY b.line""",
    Code.OUTDATED_BUILT: """
        SELECT b.registration_id, b.serial, b.line, d.serial FROM built b JOIN issued i ON i.serial = b.serial
        JOIN devices d ON d.key = i.key WHERE b.key = i.key AND i.generation < d.generation ORDER BY b.line""",
    Code.REPLACED: """
        SELECT registration_id, serial, NULL, generation, reason, replaces FROM issued
        WHERE generation > 1 ORDER BY key, generation""",
}
_NEEDS_EXPECTED: Final = frozenset({Code.NOT_ISSUED, Code.NOT_EXPECTED})
_NEEDS_BUILT: Final = frozenset(
    {Code.NOT_BUILT, Code.NO_CERTIFICATE, Code.BUILT_TWICE, Code.OTHER_CERTIFICATE, Code.OUTDATED_BUILT}
)

_Record = TypeVar("_Record")


class Comparison:
    """The lists of one work order. A context manager; what is put in is gone when it ends.

    Attributes:
        expected: how many devices the list names; None without one.
        built: how many lines the list of built devices has; None without one.
    """

    def __init__(self) -> None:
        # An empty name is a temporary database on the disk: https://sqlite.org/inmemorydb.html#temp_db
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {_SCHEMA}")
        self.expected: int | None = None
        self.built: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def devices(self) -> int:
        """How many devices hold a certificate of the order."""
        return self._count("SELECT count(DISTINCT key) FROM issued")

    @property
    def replacements(self) -> int:
        """How many certificates replaced another one."""
        return self._count("SELECT count(*) FROM issued WHERE generation > 1")

    def add_issued(self, certificates: Iterable[IssuedCertificate], progress: Progress = silent) -> None:
        """Take what was issued for the order.

        Args:
            certificates: all generations, in any order.
            progress: is told how many more are in.
        """
        self._insert("INSERT OR IGNORE INTO issued VALUES (?, ?, ?, ?, ?, ?)", certificates, _issued_row, progress)

    def add_expected(self, devices: Iterable[ExpectedDevice], progress: Progress = silent) -> None:
        """Take the devices that were planned; one that is listed twice counts once.

        Args:
            devices: of the list, in any order.
            progress: is told how many more are in.
        """
        self._insert("INSERT OR IGNORE INTO expected VALUES (?, ?)", devices, _expected_row, progress)
        self.expected = self._count("SELECT count(*) FROM expected")

    def add_built(self, devices: Iterable[Line[Built]], progress: Progress = silent) -> None:
        """Take what was built. Call it when all that was issued is in: serial numbers are looked up there.

        Args:
            devices: of the list.
            progress: is told how many more are in.
        """
        self._insert("INSERT INTO built VALUES (?, ?, ?, ?)", devices, _built_row, progress)
        self.built = self._count("SELECT count(*) FROM built")
        self._database.execute(
            "UPDATE built SET (key, registration_id) = "
            "(SELECT i.key, i.registration_id FROM issued i WHERE i.serial = built.serial) WHERE key = ''"
        )

    def differences(self) -> Iterator[Difference]:
        """What differs between the lists that were given, by code and then by registration ID or line."""
        for code, query in _QUERIES.items():
            if (code in _NEEDS_EXPECTED and self.expected is None) or (code in _NEEDS_BUILT and self.built is None):
                continue
            with contextlib.closing(self._database.execute(query)) as rows:
                for registration_id, serial_number, line, *details in rows:
                    yield Difference.of(code, registration_id or "", serial_number, line, details)

    def _count(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    def _insert(self, statement: str, records: Iterable[_Record], row: Any, progress: Progress) -> None:
        remaining = iter(records)
        while burst := list(itertools.islice(remaining, _BURST)):
            self._database.executemany(statement, map(row, burst))
            progress(len(burst))


def _issued_row(issued: IssuedCertificate) -> tuple[Any, ...]:
    key = registration_ids.key(issued.registration_id)
    return (
        key,
        issued.generation,
        issued.registration_id,
        issued.serial_number,
        issued.replacement_reason,
        issued.replaces_serial_number,
    )


def _expected_row(device: ExpectedDevice) -> tuple[str, str]:
    return registration_ids.key(device.registration_id), device.registration_id


def _built_row(line: Line[Built]) -> tuple[int, str, str, str]:
    device = line.content
    return line.number, registration_ids.key(device.registration_id), device.registration_id, device.serial_number
