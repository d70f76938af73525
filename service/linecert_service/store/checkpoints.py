"""Signs statements of the log's size and root (C2SP tlog-checkpoint) after the commit, from the head read back."""

import os
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select

from linecert.transparency import NoteSigner
from linecert_service.domain.clock import Clock
from linecert_service.store.schema import CHECKPOINTS, LOG_HEAD

SIGN_EVERY: Final = 1.0
PUBLISH_EVERY: Final = 60.0


class Checkpoints:
    """Signs, stores and publishes checkpoints. Used by one thread, the committer's.

    Args:
        engine: the database.
        signer: the log's own key; its name is the log's origin.
        published: the file that checkpoints are appended to, for operators to ship elsewhere.
        clock: the time.
    """

    def __init__(self, engine: Engine, signer: NoteSigner, published: Path, clock: Clock) -> None:
        self._engine = engine
        self._signer = signer
        self._published = published
        self._clock = clock
        self._signed_size = -1
        self._signed_at = float("-inf")
        self._published_size = -1
        self._published_at = float("-inf")
        self.newest_time: float | None = None
        """When the newest checkpoint was signed, in seconds since 1970; None before the first."""

    def wait(self, size: int) -> float | None:
        """Seconds until the log, now of `size` leaves, is due for a checkpoint; None when it has one."""
        if size == self._signed_size:
            return None
        return max(0.0, self._signed_at + SIGN_EVERY - self._clock.monotonic())

    def sign(self) -> None:
        """Sign the log as it stands on disk. Raises SQLAlchemy's errors, and OSError."""
        # Set first: a store that fails is asked again a second later, not at once.
        self._signed_at = self._clock.monotonic()
        with self._engine.begin() as connection:
            size, root = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
            note = self._signer.sign_checkpoint(self._signer.verifier_key.name, size, root)
            now = self._clock.time()
            known = connection.scalar(select(CHECKPOINTS.c.size).where(CHECKPOINTS.c.size == size))
            if known is None:
                values = {"size": size, "root": root, "note": note, "published_at": int(now * 1_000_000)}
                connection.execute(CHECKPOINTS.insert().values(values))
        self._signed_size, self.newest_time = size, now
        if self._signed_at - self._published_at >= PUBLISH_EVERY:
            self._publish(size, note)

    def close(self) -> None:
        """Sign and publish what is not signed or published yet. Raises as `sign`."""
        self._published_at = float("-inf")
        self.sign()

    def _publish(self, size: int, note: str) -> None:
        if size != self._published_size:
            with self._published.open("a", encoding="utf-8") as file:
                # Notes hold an empty line in their middle; one more line separates them.
                file.write(note + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._published_size, self._published_at = size, self._signed_at
