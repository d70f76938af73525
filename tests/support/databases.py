"""The two databases of the audit store, for tests of whole servers."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

import psycopg

from linecert_service.store.backends import backend_for
from linecert_service.store.roles import SERVICE_ROLE
from support import postgres
from support.installations import Installation

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
DATABASES: Final = (SQLITE, POSTGRESQL)

_USER: Final = "linecert"


def new_store(database: str) -> str | None:
    """The URL of a new store; None: the SQLite file that an installation comes with."""
    return None if database == SQLITE else new_postgresql_store()


def new_postgresql_store() -> str:
    """The URL of a new database with the store's schema, for a user that has the rights of the service and no more."""
    cluster = postgres.cluster()
    owner = cluster.new_database()
    with closing(backend_for(owner)) as backend:
        backend.upgrade()
    with suppress(psycopg.errors.DuplicateObject):
        cluster.execute(f"CREATE ROLE {_USER} LOGIN IN ROLE {SERVICE_ROLE}")
    return cluster.url(owner.rpartition("/")[2], _USER)


@contextmanager
def write_lock(installation: Installation) -> Iterator[None]:
    """SQLite's write lock, held by somebody else: commits wait."""
    connection = sqlite3.connect(installation.folder / "linecert.db", isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()
