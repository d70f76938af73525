"""Whether the log is still the one that was seen before: it never goes back, and never regrows differently.

A local file keeps the newest checkpoint that this server signed. Before each next one, at the start, and after each
reconnect, the log is proven to begin with what that checkpoint stated. A database that was restored from an older
backup fails this at once, and also when it has grown past the old size again.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from linecert.transparency import Checkpoint, NoteError, ProofError
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import ConfigurationError, Refused


class LogInconsistent(Refused):
    """The log is not the one that was seen before: nothing more is issued."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            reasons.ERROR_REASON_LOG_INCONSISTENT,
            f"the audit log is not the one that this server has seen before ({problem}), and issuance has stopped: "
            "call the operator, and keep the database as it is",
        )


@contextlib.contextmanager
def proving() -> Iterator[None]:
    """Put around what proves the log before a server or a command goes on.

    Raises:
        ConfigurationError: for a LogInconsistent in it; the message says where to read on.
    """
    try:
        yield
    except LogInconsistent as error:
        raise ConfigurationError(
            f"{error.message}; the database was restored or altered: see 'After a restore' in docs/operations.md"
        ) from error


class LogGuard:
    """Remembers the newest checkpoint, in a file.

    Args:
        path: the file.
        remembered: what it holds; None before the first checkpoint.
    """

    def __init__(self, path: Path, remembered: Checkpoint | None = None) -> None:
        self._path = path
        self.remembered = remembered

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. It is trusted: who can write it can also stop the server.

        Raises:
            ConfigurationError: it cannot be read, or holds no checkpoint.
        """
        try:
            note = path.read_text(encoding="utf-8")
            return cls(path, Checkpoint.parse(note.partition("\n\n")[0] + "\n"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, UnicodeDecodeError, NoteError) as error:
            raise ConfigurationError(
                f"{path}, which remembers the newest checkpoint, cannot be read: write the last note of "
                "checkpoints.txt into it"
            ) from error

    def check(self, size: int, root: bytes, root_at: Callable[[int], bytes]) -> None:
        """Prove that the log begins with what is remembered.

        Args:
            size: of the log as it is.
            root: the same.
            root_at: gives the root over the first leaves of the log as it is; raises ProofError where some are missing.

        Raises:
            LogInconsistent: it does not.
        """
        known = self.remembered
        if known is None:
            return
        if size < known.size:
            raise LogInconsistent(f"it had {known.size} entries and has {size}")
        try:
            begins_alike = (root if size == known.size else root_at(known.size)) == known.root
        except ProofError as error:
            raise LogInconsistent(str(error)) from error
        if not begins_alike:
            raise LogInconsistent(f"its first {known.size} entries have changed")

    def remember(self, note: str) -> None:
        """Keep a newer checkpoint, a signed note. Raises OSError."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self.remembered = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
