"""What the append and the queries need of a database: the port between the log's rules and a dialect of SQL."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, Engine

Row = tuple[Any, ...]

WRITES: Final = "linecert_writes"
"""Execution option of an engine's transaction that writes after it has read."""

MAINTAIN_SECONDS: Final = 0.25
"""How often `Backend.maintain` is to be called, beside the appends."""


class LookupKeys(NamedTuple):
    """By what a burst of claims is looked up: each list may hold duplicates."""

    devices: Sequence[str]
    requests: Sequence[tuple[str, str]]
    keys: Sequence[bytes]


class Lookups(Protocol):
    """Reads what decides on claims, all of it as of one moment. Raises the driver's errors."""

    def stands(self, keys: LookupKeys) -> Sequence[Row]:
        """The certificates that `keys` find: the columns of `certificates`, replaced_by, replaced_for."""

    def orders(self, names: Sequence[str]) -> Sequence[Row]:
        """The work orders of these names: the columns of `work_orders`."""

    def expected(self, devices: Sequence[tuple[str, str]]) -> Sequence[Row]:
        """Of these pairs of work order and registration key, the rows of `expected_devices`."""


class Writer(Lookups, Protocol):
    """The one connection that appends. Statements run between `begin` and `commit`; any error leaves nothing behind.

    Every method raises the driver's errors.
    """

    def begin(self) -> Row:
        """Start a transaction, take the lock on the log's head and return it: size, last_at, frontier, root."""

    def issuers(self) -> Sequence[Row]:
        """All issuers: id, certificate_sha256."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows, with all columns of the table in their order."""

    def event(self, log_index: int) -> Row | None:
        """The event at a position of the log: the columns of `events`."""

    def update_order(self, row: Row) -> None:
        """Replace the row of a work order that is there; `row` has all columns of `work_orders` in their order."""

    def count_for_order(self, name: str, issued: int, replacements: int) -> None:
        """Add to the counts of a work order."""

    def write_head(self, size: int, last_at: int, frontier: bytes, root: bytes) -> None:
        """Replace the head."""

    def commit(self) -> None:
        """Make it durable: when this returns, it is on disk."""

    def rollback(self) -> None:
        """Forget it. Never raises."""

    def close(self) -> None:
        """Give the connection up. Never raises."""


class Backend(Protocol):
    """A database with the audit store in it."""

    engine: Engine
    """For everything but the append."""

    def upgrade(self) -> None:
        """Bring the schema to what this version wants."""

    def prepare(self) -> None:
        """Make sure, at the start of a server, that the schema is what this version wants.

        Raises:
            ConfigurationError: it is not, and to change it is the operator's step.
        """

    def writer(self) -> Writer:
        """A new connection for appending."""

    def disconnect(self) -> None:
        """Give the pooled connections up: after a failure, what they lead to may not be the database any more."""

    def reading(self) -> AbstractContextManager[Lookups]:
        """A transaction that reads. Raises SQLAlchemy's errors."""

    def asking(self) -> AbstractContextManager[Connection]:
        """A connection for queries that may each see what was appended since the one before.

        Raises SQLAlchemy's errors.
        """

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        """The condition that `text` stands somewhere in `column`."""

    def is_transient(self, error: Exception) -> bool:
        """Whether the same statement may succeed later: a lost connection, a full disk, a lock."""

    def backup(self, target: Path) -> None:
        """Write a copy of the database, as of one moment, to a file that must not exist yet; servers may be running.

        Raises:
            ConfigurationError: it cannot be made, and what is missing.
        """

    def maintain(self) -> None:
        """What is to be done every MAINTAIN_SECONDS, beside the appends. Raises SQLAlchemy's errors."""

    def close(self) -> None:
        """Give all connections up."""
