"""Signs statements of the log's size and root (C2SP tlog-checkpoint) after the commit, from the head read back."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from linecert.transparency import NoteSigner
from linecert_service.domain.clock import Clock
from linecert_service.store.backend import WRITES
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard, LogInconsistent
from linecert_service.store.log_tree import LogTree
from linecert_service.store.schema import CHECKPOINTS, LOG_HEAD

SIGN_EVERY: Final = 1.0
PUBLISH_EVERY: Final = 60.0


class CheckpointRow(NamedTuple):
    """A row of `checkpoints`, with its columns in their order."""

    size: int
    root: bytes
    note: str
    published_at: int


class Checkpoints:
    """Signs, stores and publishes checkpoints. Used by one thread, the committer's.

    Args:
        engine: the database.
        issuers: the store's numbers for issuers.
        signer: the log's own key; its name is the log's origin.
        guard: remembers the newest checkpoint.
        published: the file that checkpoints are appended to, for operators to ship elsewhere.
        clock: the time.
    """

    def __init__(
        self, engine: Engine, issuers: Issuers, *, signer: NoteSigner, guard: LogGuard, published: Path, clock: Clock
    ) -> None:
        self._engine = engine
        self._issuers = issuers
        self._signer = signer
        self._guard = guard
        self._published = published
        self._clock = clock
        self._note: str | None = None
        self._signed_size = -1
        self._signed_at = float("-inf")
        self._published_size = -1
        self._published_at = float("-inf")
        self.newest_time: float | None = None
        """When the newest checkpoint was signed, in seconds since 1970; None before the first."""

    def read(self) -> None:
        """Take note of the newest one that is stored. Raises SQLAlchemy's errors."""
        columns = CHECKPOINTS.c
        query = select(columns.size, columns.note, columns.published_at).order_by(columns.size.desc()).limit(1)
        with self._engine.begin() as connection:
            newest = connection.execute(query).first()
        if newest:
            self._signed_size = newest.size
            self.newest_time = newest.published_at / 1_000_000
            # What a server signed and was killed before it published is published now.
            published = self._published.exists() and self._published.read_text(encoding="utf-8").endswith(
                newest.note + "\n"
            )
            self._published_size = newest.size if published else -1

    def wait(self, size: int | None) -> float | None:
        """Seconds until there is something for `catch_up` to do; None: nothing is.

        Args:
            size: of the log as this server left it; None: it has not appended yet. Others may have gone on from there.
        """
        if self._due(size):
            return max(0.0, self._signed_at + SIGN_EVERY - self._clock.monotonic())
        if self._signed_size != self._published_size:
            return max(0.0, self._published_at + PUBLISH_EVERY - self._clock.monotonic())
        return None

    def catch_up(self, size: int | None) -> None:
        """Sign what has grown, or publish what was signed. Raises as `sign`."""
        if self._due(size):
            self.sign()
        else:
            self._publish()

    def prove(self) -> None:
        """Prove that the log begins with what this server remembers of it.

        Raises:
            LogInconsistent: it does not.
            SQLAlchemyError: the database does not answer.
        """
        with self._engine.begin() as connection:
            self._prove(connection)

    def sign(self) -> None:
        """Prove the log as it stands on disk, and sign it.

        Raises:
            LogInconsistent: it is not the log that this server remembers.
            SQLAlchemyError: the database does not answer.
            OSError: a file cannot be written.
        """
        self._sign(first=False)

    def begin(self) -> None:
        """Sign the first checkpoint of an epoch, and publish it. Raises as `sign`."""
        self._published_at = float("-inf")
        self._sign(first=True)

    def close(self) -> None:
        """Sign and publish what is not signed or published yet. Raises as `sign`."""
        self._published_at = float("-inf")
        self.sign()

    def _sign(self, *, first: bool) -> None:
        # Set first: a store that fails is asked again a second later, not at once.
        self._signed_at = self._clock.monotonic()
        with self._engine.execution_options(**{WRITES: True}).begin() as connection:
            size, root = self._prove(connection)
            # Held to the commit, so that no server signs under an old key beside the beginning of a new epoch.
            connection.execute(select(LOG_HEAD.c.id).with_for_update())
            if not first:
                self._check_epoch(connection)
            note = self._signer.sign_checkpoint(self._signer.verifier_key.name, size, root)
            now = self._clock.time()
            _store(connection, CheckpointRow(size, root, note, int(now * 1_000_000)))
        self._guard.remember(note)
        self._note, self._signed_size, self.newest_time = note, size, now
        if self._signed_at - self._published_at >= PUBLISH_EVERY:
            self._publish()

    def _due(self, size: int | None) -> bool:
        return self._note is None if size is None else size > self._signed_size

    def _prove(self, connection: Connection) -> tuple[int, bytes]:
        size, root = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
        self._guard.check(size, root, LogTree(connection, self._issuers.sha256_of).root_at)
        return size, root

    def _check_epoch(self, connection: Connection) -> None:
        """Another server on the same database may have gone on with another key."""
        note = connection.scalar(select(CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size.desc()).limit(1))
        origin = self._signer.verifier_key.name
        if note is not None and note.partition("\n")[0] != origin:
            raise LogInconsistent(
                f"its epoch is not {origin} any more: give this server the new log key and restart it"
            )

    def _publish(self) -> None:
        self._published_at = self._clock.monotonic()
        if self._note is not None and self._signed_size != self._published_size:
            with self._published.open("a", encoding="utf-8") as file:
                # Notes hold an empty line in their middle; one more line separates them.
                file.write(self._note + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._published_size = self._signed_size


def _store(connection: Connection, row: CheckpointRow) -> None:
    """Add a checkpoint, unless there is one of this size: another server on the same database may have been first.

    Raises:
        LogInconsistent: the one that is there states another root.
    """
    stored = select(CHECKPOINTS.c.root).where(CHECKPOINTS.c.size == row.size)
    root = connection.scalar(stored)
    if root is None:
        # The other server may be adding it at this moment.
        with suppress(IntegrityError), connection.begin_nested():
            connection.execute(CHECKPOINTS.insert().values(row))
            return
        root = connection.scalar(stored)
    if root != row.root:
        raise LogInconsistent(f"there is a checkpoint of its {row.size} entries with another root")
