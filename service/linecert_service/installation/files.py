"""Writing the files of an installation: keys for their owner alone, and each file whole or not at all."""

import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

PUBLIC: Final = 0o644
PRIVATE: Final = 0o600
FOLDER: Final = 0o755
PRIVATE_FOLDER: Final = 0o700


def write_new(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file that must not exist yet; it has its mode before it has its content."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)


def replace(path: Path, content: bytes) -> None:
    """Replace a file's content, keeping mode and owner; who reads it sees the old or the new, never half of each."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        beside = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            old = path.stat()
            beside.chmod(stat.S_IMODE(old.st_mode))
            # An operator who is root must not take the file away from the service's user.
            if hasattr(os, "geteuid") and os.geteuid() == 0:
                os.chown(beside, old.st_uid, old.st_gid)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
