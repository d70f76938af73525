"""SQLite as the audit store: how a connection is set up, and the statements in its dialect.

One server a file, on a local disk: SQLite's locks do not hold on network file systems (https://www.sqlite.org/wal.html).
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Engine, MetaData, create_engine, event, func
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

from linecert_service.domain.errors import ConfigurationError
from linecert_service.store import migrations
from linecert_service.store.backend import WRITES, LookupKeys, Row
from linecert_service.store.schema import CERTIFICATES, METADATA, WORK_ORDERS

BUSY_TIMEOUT_MS: Final = 30_000
WRITER_BUSY_TIMEOUT_MS: Final = 1_000
"""The writer's own: who tries again anyway should not be deaf to the end of the service for so long."""
READERS: Final = 5
# The background checkpoint never quite catches up with bursts that follow each other, and so the write-ahead log cannot
# begin anew. At this size a commit waits for what is left, a quarter of a second's pages: 256 MiB, or some 10,000 rows.
AUTOCHECKPOINT_PAGES: Final = 64_000

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # FULL: a commit is on disk when it returns. NORMAL would lose the last ones with the power.
    "PRAGMA synchronous = FULL",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    # Without it INSERT OR REPLACE slips by the guard against DELETE (https://www.sqlite.org/lang_conflict.html).
    "PRAGMA recursive_triggers = ON",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}",
)
# READONLY is one of them: a file system that was remounted, a folder whose rights were set wrong for a while.
_TRANSIENT: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_READ_HEAD: Final = "SELECT size, last_at, frontier, root FROM log_head WHERE id = 1"
_WRITE_HEAD: Final = "UPDATE log_head SET size = ?, last_at = ?, frontier = ?, root = ? WHERE id = 1"
_EVENT: Final = "SELECT * FROM events WHERE log_index = ?"
_COUNT: Final = "UPDATE work_orders SET issued = issued + ?, replacements = replacements + ? WHERE name = ?"
# The name is the key, and the first column.
_ORDER_VALUES: Final = ", ".join(f"{column.name} = ?" for column in list(WORK_ORDERS.columns)[1:])
_UPDATE_ORDER: Final = f"UPDATE work_orders SET {_ORDER_VALUES} WHERE name = ?"  # noqa: S608 - column names and marks


class SQLiteLookups:
    """Look-ups on a connection; see `store.backend.Lookups`."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def stands(self, keys: LookupKeys) -> Sequence[Row]:
        """The certificates that `keys` find."""
        return self._cursor.execute(*_stands(keys)).fetchall()

    def orders(self, names: Sequence[str]) -> Sequence[Row]:
        """The work orders of these names."""
        marks = ", ".join("?" * len(names))
        return self._cursor.execute(f"SELECT * FROM work_orders WHERE name IN ({marks})", names).fetchall()  # noqa: S608 - marks

    def expected(self, devices: Sequence[tuple[str, str]]) -> Sequence[Row]:
        """The rows of `expected_devices` for these pairs."""
        statement = (
            f"WITH asked(o, k) AS ({_values(2, len(devices))}) SELECT e.work_order, e.registration_key, e.spki_sha256 "  # noqa: S608 - marks
            "FROM asked CROSS JOIN expected_devices e ON e.work_order = asked.o AND e.registration_key = asked.k"
        )
        return self._cursor.execute(statement, [item for pair in devices for item in pair]).fetchall()


class SQLiteWriter(SQLiteLookups):
    """The connection that appends; see `store.backend.Writer`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, inode: int) -> None:
        super().__init__(connection.cursor())
        self._connection = connection
        connection.execute(f"PRAGMA busy_timeout = {WRITER_BUSY_TIMEOUT_MS}")
        self._path = path
        self._inode = inode

    def begin(self) -> Row:
        """Take SQLite's one write lock and read the head."""
        self._check_file()
        self._cursor.execute("BEGIN IMMEDIATE")
        head: Row = self._cursor.execute(_READ_HEAD).fetchone()
        return head

    def issuers(self) -> Sequence[Row]:
        """All issuers."""
        return self._cursor.execute("SELECT id, certificate_sha256 FROM issuers").fetchall()

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._cursor.executemany(_insert(table), rows)

    def event(self, log_index: int) -> Row | None:
        """The event at a position of the log."""
        return cast("Row | None", self._cursor.execute(_EVENT, (log_index,)).fetchone())

    def update_order(self, row: Row) -> None:
        """Replace the row of a work order."""
        self._cursor.execute(_UPDATE_ORDER, (*row[1:], row[0]))

    def count_for_order(self, name: str, issued: int, replacements: int) -> None:
        """Add to the counts of a work order."""
        self._cursor.execute(_COUNT, (issued, replacements, name))

    def write_head(self, size: int, last_at: int, frontier: bytes, root: bytes) -> None:
        """Replace the head."""
        self._cursor.execute(_WRITE_HEAD, (size, last_at, frontier, root))

    def commit(self) -> None:
        """Commit and sync."""
        self._cursor.execute("COMMIT")

    def _check_file(self) -> None:
        """A file that was put in the place of this one would never see what is written to this one."""
        if self._path.stat().st_ino != self._inode:
            raise sqlite3.OperationalError("the database file was replaced")

    def rollback(self) -> None:
        """Forget the transaction, if there is one."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


class SQLiteBackend:
    """A SQLite file with the audit store in it; see `store.backend.Backend`.

    Args:
        url: such as `sqlite:////var/lib/linecert/linecert.db`.
    """

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        self.engine: Engine = create_engine(url, pool_size=READERS, max_overflow=2, hide_parameters=True)
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)

    def upgrade(self) -> None:
        """Bring the schema to what this version wants, or fail and change nothing."""
        with self.engine.begin() as connection:
            migrations.upgrade(connection)

    def prepare(self) -> None:
        """Bring the schema up to date: the file is this server's alone."""
        self.upgrade()

    def writer(self) -> SQLiteWriter:
        """A new connection, never one of the pool: that may lead to a file that is not there any more.

        The file is looked at before it is opened, so that another one in its place is noticed by the first append.
        """
        inode = self._path.stat().st_ino
        connection = sqlite3.connect(f"file:{quote(str(self._path))}?mode=rw", uri=True, check_same_thread=False)
        _prepare(connection, None)
        return SQLiteWriter(connection, self._path, inode)

    def disconnect(self) -> None:
        """Give the pooled connections up."""
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[SQLiteLookups]:
        """A transaction that reads: all of it sees one state of the file."""
        with self.engine.begin() as connection:
            yield SQLiteLookups(_driver_connection(connection.connection).cursor())

    def asking(self) -> contextlib.AbstractContextManager[Connection]:
        """A connection for queries."""
        return self.engine.begin()

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        """The condition that `text` stands somewhere in `column`."""
        return func.instr(column, text) > 0

    def is_transient(self, error: Exception) -> bool:
        """A lock, a full disk, an I/O error; not a broken constraint."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, sqlite3.OperationalError):
            # The low octet is the primary code (https://www.sqlite.org/rescode.html).
            return getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF in _TRANSIENT
        return isinstance(cause, OSError)

    def backup(self, target: Path) -> None:
        """Copy the file with SQLite's backup interface, in one step: one in steps begins anew with every write."""
        if target.exists():
            raise ConfigurationError(f"{target} is there already: name a new file")
        with (
            contextlib.closing(sqlite3.connect(self._path)) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy, pages=-1)

    def maintain(self) -> None:
        """Move what is committed from the write-ahead log to the database file, without waiting for anybody."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Give all connections up."""
        self.engine.dispose()


def _driver_connection(pooled: PoolProxiedConnection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", pooled.driver_connection)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # Python's driver would begin transactions by itself, and not before a SELECT.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("BEGIN")
        return
    # Who reads first and writes then must have the lock from the start: SQLite does not wait for it in between, but
    # fails when another process has written meanwhile.
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {WRITER_BUSY_TIMEOUT_MS}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


@cache
def _insert(table: str, metadata: MetaData = METADATA) -> str:
    columns = [column.name for column in metadata.tables[table].columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - no input


def _values(width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"VALUES {', '.join([row] * count)}"


def _stands(keys: LookupKeys) -> tuple[str, list[Any]]:
    """The look-up for a burst, and its parameters.

    The number of keys is rounded up to a power of two, filled with NULL, which equals nothing: so there are few texts,
    and the driver keeps them prepared.
    """
    size = 1 << max(0, max(map(len, keys)) - 1).bit_length()
    parameters = [
        *_padded(keys.devices, size),
        *(item for pair in _padded(keys.requests, size, (None, None)) for item in pair),
        *_padded(keys.keys, size),
    ]
    return _stands_statement(size), parameters


def _padded(values: Sequence[Any], size: int, filler: Any = None) -> Iterable[Any]:
    return (*values, *(filler,) * (size - len(values)))


@cache
def _stands_statement(size: int) -> str:
    columns = ", ".join(f"c.{column.name}" for column in CERTIFICATES.columns)
    # A join with a list of values: `(a, b) IN (VALUES ...)` scans the table. CROSS JOIN keeps the list outermost.
    return f"""
        WITH devices(k) AS ({_values(1, size)}),
        requests(s, r) AS ({_values(2, size)}),
        keys(h) AS ({_values(1, size)}),
        found(log_index) AS (
            SELECT c.log_index FROM devices CROSS JOIN certificates c ON c.registration_key = k
            UNION SELECT c.log_index FROM requests CROSS JOIN certificates c ON c.station = s AND c.request_id = r
            UNION SELECT c.log_index FROM keys CROSS JOIN certificates c ON c.spki_sha256 = h)
        SELECT {columns}, n.serial, n.replacement_reason
        FROM found CROSS JOIN certificates c ON c.log_index = found.log_index
        LEFT JOIN certificates n ON n.registration_key = c.registration_key AND n.generation = c.generation + 1
    """  # noqa: S608 - column names and marks
