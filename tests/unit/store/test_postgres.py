"""PostgreSQL's connections: what is found dead is replaced, and a write that fails says which it was."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import text

from linecert_service.store import postgres as dialect
from linecert_service.store.backends import backend_for
from linecert_service.store.postgres import PostgresBackend
from support import postgres


@pytest.fixture
def backend() -> Iterator[PostgresBackend]:
    """A new database."""
    url = postgres.cluster().new_database()
    backend = backend_of(url)
    backend.upgrade()
    yield backend
    backend.close()


def backend_of(url: str) -> PostgresBackend:
    """The backend of a database."""
    backend = backend_for(url)
    assert isinstance(backend, PostgresBackend)
    return backend


def test_a_connection_that_died_while_idle_is_replaced(
    backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the server ended the pooled connections, the next query gets one that works."""
    monkeypatch.setattr(dialect, "IDLE_SECONDS", 0.0)
    assert _backend_id(backend) == _backend_id(backend)
    before = _backend_id(backend)
    postgres.cluster().terminate_backends()
    assert _backend_id(backend) != before


def test_the_first_write_that_fails_is_raised(backend: PostgresBackend) -> None:
    """Writes are sent together; the error is that of the one that failed, and nothing is left."""
    node = (8, 0, b"h" * 32)
    with closing(backend.writer()) as writer:
        writer.begin()
        with pytest.raises(psycopg.errors.UniqueViolation):
            _write(writer, node)
        writer.rollback()
        with backend.asking() as connection:
            assert connection.scalar(text("SELECT count(*) FROM log_nodes")) == 0
        # The connection is as good as before.
        writer.begin()
        writer.insert("log_nodes", [node])
        writer.commit()
    with backend.asking() as connection:
        assert connection.scalar(text("SELECT count(*) FROM log_nodes")) == 1


def _write(writer: dialect.PostgresWriter, node: tuple[int, int, bytes]) -> None:
    writer.insert("log_nodes", [node])
    writer.insert("log_nodes", [node])
    writer.write_head(1, 1, b"", b"r" * 32)
    writer.commit()


def _backend_id(backend: PostgresBackend) -> int:
    with backend.asking() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
