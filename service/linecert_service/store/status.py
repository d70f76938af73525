"""What the database holds, at a glance."""

from dataclasses import dataclass

from sqlalchemy import inspect, select

from linecert_service.store import migrations
from linecert_service.store.backend import Backend
from linecert_service.store.schema import CHECKPOINTS, LOG_HEAD


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a database; times in microseconds since 1970, None where there is nothing yet.

    Attributes:
        database: its URL, without a password.
        current: whether its schema is this version's.
        size: of the log.
        root: the same.
        last_at: of the last entry.
        origin: of the newest checkpoint: NAME/EPOCH.
        checkpoint_size: the same.
        checkpoint_at: when it was signed.
    """

    database: str
    current: bool
    size: int | None = None
    root: bytes | None = None
    last_at: int | None = None
    origin: str | None = None
    checkpoint_size: int | None = None
    checkpoint_at: int | None = None


def read(backend: Backend) -> Status:
    """Read it. Raises SQLAlchemy's errors."""
    database = backend.engine.url.render_as_string(hide_password=True)
    with backend.engine.begin() as connection:
        current = migrations.is_current(connection)
        if not inspect(connection).has_table(LOG_HEAD.name):
            return Status(database, current)
        head = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root, LOG_HEAD.c.last_at)).one()
        newest = select(CHECKPOINTS.c.size, CHECKPOINTS.c.note, CHECKPOINTS.c.published_at)
        checkpoint = connection.execute(newest.order_by(CHECKPOINTS.c.size.desc()).limit(1)).first()
    return Status(
        database,
        current,
        size=head.size,
        root=head.root,
        last_at=head.last_at,
        origin=checkpoint.note.partition("\n")[0] if checkpoint else None,
        checkpoint_size=checkpoint.size if checkpoint else None,
        checkpoint_at=checkpoint.published_at if checkpoint else None,
    )
