"""The migrations and the schema are one."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url

from linecert_service.store.schema import METADATA
from linecert_service.store.sqlite import SQLiteBackend


def test_migrations_make_the_schema(backend: SQLiteBackend) -> None:
    """A migrated database has the tables, columns, constraints and indexes that the code speaks of."""
    with backend.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_upgrade_can_be_repeated(tmp_path: Path) -> None:
    """A server that starts again finds its database as it was."""
    for _ in range(2):
        backend = SQLiteBackend(make_url(f"sqlite:///{tmp_path}/linecert.db"))
        backend.upgrade()
        backend.close()


def test_commits_are_synced_and_the_log_is_written_ahead(backend: SQLiteBackend) -> None:
    """WAL, synchronous FULL and recursive triggers are set on every connection."""
    cursor = backend.writer()._cursor
    pragmas = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert cursor.execute("PRAGMA recursive_triggers").fetchone() == (1,)
    cursor.connection.close()
