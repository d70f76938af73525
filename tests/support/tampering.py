"""What somebody does who owns the database: the guards against alteration are gone."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from linecert_service.store.backend import Backend
from linecert_service.store.guards import APPEND_ONLY


@contextmanager
def unguarded(backend: Backend) -> Iterator[Connection]:
    """A transaction in which UPDATE and DELETE go through; the guards stay off afterwards."""
    with backend.engine.begin() as connection:
        for table in APPEND_ONLY:
            if backend.engine.name == "sqlite":
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
            else:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection
