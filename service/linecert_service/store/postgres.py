"""PostgreSQL as the audit store: how a connection is set up, and the statements in its dialect."""

import contextlib
import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, func, text
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.types import TypeEngine

from linecert_service.domain.errors import ConfigurationError
from linecert_service.store import migrations, roles
from linecert_service.store.backend import LookupKeys, Row
from linecert_service.store.schema import CERTIFICATES, METADATA, WORK_ORDERS

READERS: Final = 5

IDLE_SECONDS: Final = 0.5
"""After which a pooled connection may have died unnoticed, and is looked at before it is used."""

UPGRADE_LOCK: Final = 0x6C_69_6E_65_63_65_72_74
"""The advisory lock of an upgrade: `linecert` in ASCII."""

_CONNECT_ARGUMENTS: Final[dict[str, Any]] = {
    "application_name": "linecert",
    "connect_timeout": 3,
    # A server that is gone without a word is noticed within seconds, not hours.
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "lock_timeout=2s",
            "statement_timeout=5s",
            "idle_in_transaction_session_timeout=5s",
            # A commit is on disk when it returns, whatever the cluster's default is.
            "synchronous_commit=on",
        )
    ),
}

_PLANS: Final = (
    # Look-ups go through indexes from the first row on: a plan that was made while the table was small, and scans it,
    # would stay with a prepared statement until the table is analyzed.
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
)

# Read committed, whatever the default: after the wait for the lock every statement has to see what others committed.
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
_LOCK_HEAD: Final = "SELECT size, last_at, frontier, root FROM log_head WHERE id = 1 FOR UPDATE"
_WRITE_HEAD: Final = "UPDATE log_head SET size = %s, last_at = %s, frontier = %s, root = %s WHERE id = 1"
_EVENT: Final = "SELECT * FROM events WHERE log_index = %s"
# The name is the key, and the first column.
_ORDER_VALUES: Final = ", ".join(f"{column.name} = %s" for column in list(WORK_ORDERS.columns)[1:])
_UPDATE_ORDER: Final = f"UPDATE work_orders SET {_ORDER_VALUES} WHERE name = %s"  # noqa: S608 - column names and marks
_COUNT: Final = "UPDATE work_orders SET issued = issued + %s, replacements = replacements + %s WHERE name = %s"
# %b: psycopg writes arrays as text by itself, with hex digits for octets, which costs more than the rest of an insert.
_ORDERS: Final = "SELECT * FROM work_orders WHERE name = ANY(%b::text[])"
_EXPECTED: Final = (
    "SELECT e.work_order, e.registration_key, e.spki_sha256 FROM unnest(%b::text[], %b::text[]) AS asked(o, k) "
    "JOIN expected_devices e ON e.work_order = asked.o AND e.registration_key = asked.k"
)
_STANDS: Final = f"""
    SELECT {", ".join(f"c.{column.name}" for column in CERTIFICATES.columns)}, n.serial, n.replacement_reason
    FROM (
        SELECT c.log_index FROM unnest(%b::text[]) AS asked(k) JOIN certificates c ON c.registration_key = asked.k
        UNION SELECT c.log_index FROM unnest(%b::text[], %b::text[]) AS asked(s, r)
            JOIN certificates c ON c.station = asked.s AND c.request_id = asked.r
        UNION SELECT c.log_index FROM unnest(%b::bytea[]) AS asked(h) JOIN certificates c ON c.spki_sha256 = asked.h
    ) AS found
    JOIN certificates c ON c.log_index = found.log_index
    LEFT JOIN certificates n ON n.registration_key = c.registration_key AND n.generation = c.generation + 1
"""  # noqa: S608 - column names

# SQLSTATE classes and codes (https://www.postgresql.org/docs/current/errcodes-appendix.html) after which the same rows
# may be recorded: connections, resources, a server that ends or starts, its system; a conflict, a deadlock, a lock or a
# statement that took too long, a transaction that idled, a server that is read-only after a failover.
_TRANSIENT_CLASSES: Final = ("08", "53", "57", "58")
_DIALECT: Final = postgresql_dialect()  # type: ignore[no-untyped-call]
_TRANSIENT_CODES: Final = frozenset({"40001", "40P01", "55P03", "25P03", "25006"})


class PostgresLookups:
    """Look-ups on a connection; see `store.backend.Lookups`."""

    def __init__(self, cursor: psycopg.Cursor[Row]) -> None:
        self._cursor = cursor

    def stands(self, keys: LookupKeys) -> Sequence[Row]:
        """The certificates that `keys` find."""
        stations, request_ids = _columns(keys.requests, 2)
        return self._fetch(_STANDS, (list(keys.devices), stations, request_ids, list(keys.keys)))

    def orders(self, names: Sequence[str]) -> Sequence[Row]:
        """The work orders of these names."""
        return self._fetch(_ORDERS, (list(names),))

    def expected(self, devices: Sequence[tuple[str, str]]) -> Sequence[Row]:
        """The rows of `expected_devices` for these pairs."""
        return self._fetch(_EXPECTED, tuple(_columns(devices, 2)))

    def _fetch(self, statement: str, parameters: Sequence[Any]) -> Sequence[Row]:
        return self._cursor.execute(cast("Any", statement), parameters).fetchall()


class PostgresWriter(PostgresLookups):
    """The connection that appends; see `store.backend.Writer`."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        # Octets come and go as they are, not as hex digits.
        super().__init__(connection.cursor(binary=True))
        self._connection = connection
        self._writes = contextlib.ExitStack()
        self._writing = False
        connection.autocommit = True
        for setting in _PLANS:
            connection.execute(cast("Any", setting))

    def begin(self) -> Row:
        """Wait for the lock on the head's row, and read it."""
        with self._connection.pipeline():
            self._cursor.execute(_BEGIN)
            self._cursor.execute(_LOCK_HEAD)
        # Behind the end of the pipeline: where the connection breaks between the two replies, only that end says so.
        return cast("Row", self._cursor.fetchone())

    def issuers(self) -> Sequence[Row]:
        """All issuers."""
        return self._fetch("SELECT id, certificate_sha256 FROM issuers", ())

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows: one statement, whatever their number, with an array for each column."""
        statement, width = _insert(table)
        self._write(statement, _columns(rows, width))

    def event(self, log_index: int) -> Row | None:
        """The event at a position of the log."""
        return next(iter(self._fetch(_EVENT, (log_index,))), None)

    def update_order(self, row: Row) -> None:
        """Replace the row of a work order."""
        self._write(_UPDATE_ORDER, (*row[1:], row[0]))

    def count_for_order(self, name: str, issued: int, replacements: int) -> None:
        """Add to the counts of a work order."""
        self._write(_COUNT, (issued, replacements, name))

    def write_head(self, size: int, last_at: int, frontier: bytes, root: bytes) -> None:
        """Replace the head."""
        self._write(_WRITE_HEAD, (size, last_at, frontier, root))

    def commit(self) -> None:
        """Commit, and wait until it is on disk."""
        self._write("COMMIT")
        self._end_writes()

    def rollback(self) -> None:
        """Forget the transaction, if there is one."""
        with contextlib.suppress(psycopg.Error):
            self._end_writes()
        with contextlib.suppress(psycopg.Error):
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    def _write(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Send a statement without waiting for its reply, which is one round trip a transaction and not one for each.

        Where one fails, PostgreSQL passes over those behind it, the COMMIT too, and the first error is raised: by a
        later statement, or at the end.
        """
        if not self._writing:
            self._writes.enter_context(self._connection.pipeline())
            self._writing = True
        self._cursor.execute(cast("Any", statement), parameters)

    def _end_writes(self) -> None:
        """Wait for the replies."""
        self._writing = False
        self._writes.close()


class PostgresBackend:
    """A PostgreSQL database with the audit store in it; see `store.backend.Backend`.

    Args:
        url: such as `postgresql+psycopg://linecert@db.example/linecert`.
    """

    def __init__(self, url: URL) -> None:
        self.engine: Engine = create_engine(
            url,
            pool_size=READERS,
            max_overflow=2,
            hide_parameters=True,
            connect_args=_CONNECT_ARGUMENTS,
        )
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", self._look_whether_it_lives)
        # Without BEGIN and COMMIT a query is one round trip, not three.
        self._asking = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def upgrade(self) -> None:
        """Bring the schema to what this version wants, or fail and change nothing; one at a time."""
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
            migrations.upgrade(connection)
            for statement in roles.statements():
                connection.execute(text(statement))

    def prepare(self) -> None:
        """Look whether the schema is what this version wants; changing it is the operator's step.

        Raises:
            ConfigurationError: it is not.
        """
        with self.engine.connect() as connection:
            if not migrations.is_current(connection):
                raise ConfigurationError(
                    "store.url: the database has not the schema of this version: run `linecert-server store upgrade` "
                    "as a user that may change it"
                )

    def writer(self) -> PostgresWriter:
        """A connection of its own, outside the pool."""
        pooled = self.engine.raw_connection()
        connection = _driver_connection(pooled)
        pooled.detach()
        return PostgresWriter(connection)

    def disconnect(self) -> None:
        """Give the pooled connections up."""
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[PostgresLookups]:
        """A transaction that reads: all of it sees one state of the database."""
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield PostgresLookups(_driver_connection(connection.connection).cursor(binary=True))

    def asking(self) -> contextlib.AbstractContextManager[Connection]:
        """A connection for queries."""
        return self._asking.connect()

    def contains(self, column: ColumnElement[str], wanted: str) -> ColumnElement[bool]:
        """The condition that `wanted` stands somewhere in `column`."""
        return func.strpos(column, wanted) > 0

    def is_transient(self, error: Exception) -> bool:
        """Whether the same rows may be recorded later, on another connection."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, psycopg.Error):
            return False
        if cause.sqlstate is None:
            # The driver's own: the connection is lost, or none was had.
            return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return cause.sqlstate.startswith(_TRANSIENT_CLASSES) or cause.sqlstate in _TRANSIENT_CODES

    def backup(self, target: Path) -> None:
        """Call pg_dump, in its custom format, for pg_restore."""
        if target.exists():
            raise ConfigurationError(f"{target} is there already: name a new file")
        program = shutil.which("pg_dump")
        if program is None:
            raise ConfigurationError("pg_dump is not installed here: install PostgreSQL's client programs")
        # The password goes by the environment: who may list processes must not see it.
        url = self.engine.url
        environment = os.environ | ({"PGPASSWORD": url.password} if url.password else {})
        plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
        command = [program, "--format=custom", f"--file={target}", f"--dbname={plain}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            raise ConfigurationError(f"pg_dump: {(done.stderr.strip() or 'ended without a word').splitlines()[-1]}")

    def maintain(self) -> None:
        """Nothing: the database looks after itself."""

    def close(self) -> None:
        """Give all connections up."""
        self.engine.dispose()

    def _look_whether_it_lives(self, connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        """SQLAlchemy's `pool_pre_ping`, but not for what was in use a moment ago: a round trip is most of a look-up."""
        if time.monotonic() - entry.info.get("used", math.inf) < IDLE_SECONDS:
            return
        try:
            self.engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error


def _note_use(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info["used"] = time.monotonic()


def _driver_connection(pooled: PoolProxiedConnection) -> psycopg.Connection[Row]:
    return cast("psycopg.Connection[Row]", pooled.driver_connection)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """The columns of `rows`, of which there may be none."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


@cache
def _insert(table: str) -> tuple[str, int]:
    """The statement that adds rows from arrays, one for each column, and how many columns there are."""
    columns = METADATA.tables[table].columns
    names = ", ".join(column.name for column in columns)
    arrays = ", ".join(f"%b::{_type(column.type)}[]" for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})", len(columns)  # noqa: S608 - no input


def _type(of: TypeEngine[Any]) -> str:
    return of.compile(dialect=_DIALECT).partition(" COLLATE")[0]
