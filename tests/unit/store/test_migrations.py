"""The migrations and the schema are one."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from linecert_service.domain.errors import ConfigurationError
from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for
from linecert_service.store.schema import METADATA


def test_migrations_make_the_schema(backend: Backend) -> None:
    """A migrated database has the tables, columns, constraints and indexes that the code speaks of."""
    with backend.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_upgrade_can_be_repeated(store_url: str) -> None:
    """A database that is up to date stays as it is."""
    for _ in range(2):
        backend = backend_for(store_url)
        backend.upgrade()
        backend.prepare()
        backend.close()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_server_does_not_upgrade_a_shared_database(store_url: str) -> None:
    """On PostgreSQL the operator upgrades; a server that finds another schema refuses and says what to run."""
    backend = backend_for(store_url)
    with pytest.raises(ConfigurationError, match="store upgrade"):
        backend.prepare()
    backend.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_sqlite_commits_are_synced(backend: Backend) -> None:
    """WAL, synchronous FULL and recursive triggers are set on every connection."""
    with backend.engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "recursive_triggers")
        ]
    assert values == ["wal", 2, 1]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_postgresql_commits_are_synced(backend: Backend) -> None:
    """Commits wait for the disk, and nothing waits for ever."""
    names = ("synchronous_commit", "fsync", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with backend.engine.connect() as connection:
        values = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    assert values == ["on", "on", "2s", "5s", "5s"]
