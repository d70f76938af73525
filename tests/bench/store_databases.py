"""The databases that are measured: how each is made for the occasion, and what it takes on disk."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import psutil
from sqlalchemy import text

from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for
from support import postgres

Database = Literal["sqlite", "postgresql"]

_MIB: Final = 1 << 20


@contextlib.contextmanager
def database(kind: Database, scratch: Path) -> Iterator[Backend]:
    """An empty database; what is made for it is removed again.

    Args:
        kind: which one.
        scratch: a folder on the disk that SQLite is measured on. PostgreSQL's server runs as another user, and has its
            files in the folder for temporary ones (TMPDIR).
    """
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, prefix="store."))
            url = f"sqlite:///{folder}/linecert.db"
        else:
            url = _tuned_cluster().new_database()
        backend = backend_for(url)
        stack.callback(backend.close)
        yield backend


def size_on_disk(backend: Backend) -> int:
    """Octets of the database, when what was appended last has its place in it."""
    with backend.engine.connect() as connection:
        if backend.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return Path(backend.engine.url.database or "").stat().st_size
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def settings_of(backend: Backend) -> dict[str, str]:
    """What decides on speed beside the machine."""
    names = (
        ("sqlite_version()",)
        if backend.engine.dialect.name == "sqlite"
        else ("version()", *(f"current_setting('{name}')" for name in _TUNED))
    )
    with backend.engine.connect() as connection:
        return {name: str(connection.exec_driver_sql(f"SELECT {name}").scalar()) for name in names}


_TUNED: Final = {
    # A quarter of the memory, as PostgreSQL's manual advises (section 20.4, resource consumption).
    "shared_buffers": f"{min(psutil.virtual_memory().total // _MIB // 4, 4096)}MB",
    # Checkpoints by time and not by volume.
    "max_wal_size": "4GB",
}


def _tuned_cluster() -> postgres.Cluster:
    cluster = postgres.cluster()
    for name, value in _TUNED.items():
        cluster.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.stop()
    cluster.start()
    return cluster
