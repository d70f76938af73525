"""Noticing that files have changed, by polling: it works on every file system, through links and in containers."""

from collections.abc import Sequence
from pathlib import Path

Identity = tuple[int, ...] | None
"""By what a version of a file is told from another; None where there is no file."""


class FileWatch:
    """Watches files that belong together. What they are when it is made counts as read.

    Links are followed, so that an exchanged link is a change: Kubernetes updates a mounted ConfigMap or Secret so.

    Args:
        paths: the files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._read = self._last = self._identities()

    def settled(self) -> bool:
        """Whether the files differ from what was read, and have not changed between the last call and this one.

        A file that is just being written is thereby left alone until its writer is done.
        """
        before, self._last = self._last, self._identities()
        return before == self._last != self._read

    def mark_read(self) -> None:
        """The files, as they are now, are about to be read: a change meanwhile is one more."""
        self._read = self._last = self._identities()

    def _identities(self) -> tuple[Identity, ...]:
        return tuple(map(_identity, self._paths))


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    # The time of the last change of status beside that of the content: a copy may keep the latter, and a file that
    # could not be read may become readable.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
