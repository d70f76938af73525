"""Changing a TOML file of an installation so that no change is lost: of two commands one waits for the other."""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from linecert_service import config, toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import files
from linecert_service.toml_file import FIND_SETTINGS, Document

if sys.platform != "win32":
    import fcntl

WAIT_SECONDS: Final = 30.0
"""How long a command waits for others; each takes a second or so."""

_POLL_SECONDS: Final = 0.05
_NOT_SUPPORTED: Final = frozenset({errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What file systems without locks of folders answer, NFS among them."""


class ExclusiveEdit:
    """A file that only this command changes.

    Attributes:
        document: the file as it was read.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def check_as_read(self, settings: Settings) -> None:
        """Hold the file, `linecert.toml`, to say what it said when the settings were read, before the lock was asked.

        Raises:
            ConfigurationError: its issuers or profiles are others now.
        """
        now = config.of(self.document)
        if (now.issuers, now.profiles) != (settings.issuers, settings.profiles):
            raise self._changed()

    def write(self, text: str) -> None:
        """Put another text in the file's place.

        Raises:
            ConfigurationError: it is not as it was read any more; then it stays as it is.
        """
        files.replace(self.document.path, text.encode(), self._check_unchanged)

    def _check_unchanged(self) -> None:
        # Editors do not ask for the lock.
        if toml_file.read(self.document.path).text != self.document.text:
            raise self._changed()

    def _changed(self) -> ConfigurationError:
        return ConfigurationError(f"{self.document.path} was changed meanwhile: run the command again")


@contextlib.contextmanager
def exclusive_edit(path: Path, remedy: str = FIND_SETTINGS) -> Iterator[ExclusiveEdit]:
    """Read a file that is to be changed, after other commands that change files of its folder, and before them.

    Args:
        path: the file.
        remedy: what to do where it cannot be read.

    Raises:
        ConfigurationError: it cannot be read or is not TOML, or another command does not end.
    """
    # Of the file that a link leads to: others come to it by another link, or by none.
    with _locked(path.resolve().parent, path):
        yield ExclusiveEdit(toml_file.read(path, remedy))


@contextlib.contextmanager
def _locked(folder: Path, path: Path) -> Iterator[None]:
    """Hold the lock of a folder, which leaves no file behind and needs no right that reading does not.

    Where there is none to be had (Windows, NFS), what remains is the comparison before the file is replaced.
    """
    if sys.platform == "win32":
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be changed: {folder} cannot be read ({error.strerror})") from error
    try:
        _wait_for_lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ConfigurationError(
                    f"{path} is being changed by another command of linecert-server: run this one again when that one "
                    "has ended"
                ) from None
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            return
        else:
            return
