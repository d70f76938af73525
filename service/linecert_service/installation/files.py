"""Writing the files of an installation: keys for their owner alone, and each file whole or not at all."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

PUBLIC: Final = 0o644
PRIVATE: Final = 0o600
FOLDER: Final = 0o755
PRIVATE_FOLDER: Final = 0o700


def write_new(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file that must not exist yet; it has its mode before it has its content, and outlasts a power cut."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def replace(path: Path, content: bytes, check: Callable[[], None] | None = None) -> None:
    """Replace a file's content, keeping mode and owner; who reads it sees the old or the new, never half of each.

    One that is not there yet is made. A link stays one: what it leads to is replaced.

    Args:
        path: the file.
        content: what is to be in it.
        check: called at the last moment before that is so; what it raises leaves the file as it is.
    """
    path = path.resolve()
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        beside = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            beside.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else PUBLIC)
            give_as(path, beside)
            if check is not None:
                check()
            beside.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """A file is in its folder after a power cut only when the folder, too, was written."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_as(old: Path, new: Path) -> None:
    """Give a file or folder, with all in it, to the owner of the old one, if there is one.

    An operator who is root must not take it away from the user of the service, or of the station.
    """
    if not old.exists() or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    owner = old.stat()
    for path in (new, *new.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
