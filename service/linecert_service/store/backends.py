"""Which database: by the URL of the settings."""

import contextlib
from collections.abc import Iterator
from typing import Final

from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from linecert_service.domain.errors import ConfigurationError
from linecert_service.store.backend import Backend
from linecert_service.store.sqlite import SQLiteBackend

NEWER: Final = "store.url: the database was written by a newer linecert: install that version"


def backend_for(url: str) -> Backend:
    """The database at `url`, which nothing has connected to yet.

    Raises:
        ConfigurationError: the driver for it is not installed.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SQLiteBackend(parsed)
    try:
        from linecert_service.store.postgres import PostgresBackend  # noqa: PLC0415 - psycopg is an extra
    except ImportError as error:
        raise ConfigurationError(
            "store.url: the driver for PostgreSQL is not installed: run `pip install 'linecert[postgres]'`"
        ) from error
    return PostgresBackend(parsed.set(drivername="postgresql+psycopg"))


@contextlib.contextmanager
def unavailable(backend: Backend) -> Iterator[None]:
    """For commands: what a database that does not answer raises becomes a sentence.

    Raises:
        ConfigurationError: it does not answer, or refuses.
    """
    try:
        yield
    except CommandError as error:
        raise ConfigurationError(NEWER) from error
    except (SQLAlchemyError, backend.engine.dialect.loaded_dbapi.Error) as error:
        raise as_sentence(error) from error


def as_sentence(error: Exception) -> ConfigurationError:
    """What the database has raised, for people: its own words, without SQL, and a next step where there is one."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return ConfigurationError(f"store.url: the database does not answer, or refuses: {cause}{_remedy(cause)}")


def _remedy(cause: str) -> str:
    """What to do about the commonest of SQLite's findings."""
    if "malformed" in cause or "not a database" in cause:
        return ": keep the file, and see 'Backup' in docs/operations.md"
    if "readonly" in cause or "unable to open" in cause:
        return ": give the server's user the right to write to the file and to its folder"
    return ""
