"""Files that hold what a device is given: safe names, and never half a file.

Everything is written to a temporary file in the same folder, forced to the disk, and moved to its name in one step.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from linecert import registration_id as registration_ids
from linecert_client.errors import MOVE_AWAY, OutputError

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions: also with an extension.
_WINDOWS_DEVICE: Final = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(?:\..*)?", re.ASCII | re.IGNORECASE)

_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o666  # less what the umask takes away


def safe_stem(registration_id: str) -> str:
    """A file name for a registration ID: its own text, with `%XX` for what a file system or a shell would misread.

    Raises:
        RegistrationIdError: `registration_id` is none, so that no other text becomes a path.
    """
    stem = registration_ids.check(registration_id).replace(":", "%3A")
    if stem[0] in "-." or _WINDOWS_DEVICE.fullmatch(stem):
        stem = f"%{ord(stem[0]):02X}{stem[1:]}"
    return stem


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`, in the place of what is there.

    Raises:
        OutputError: the file system refuses.
    """
    write_lines(path, (data,))


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Put `lines`, which bring their ends along, at `path`, in the place of what is there.

    Raises:
        OutputError: the file system refuses.
    """
    with _refusals(path), _temporary(path, lines, _PUBLIC) as temporary:
        temporary.replace(path)
        _sync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path`, readable for the owner alone from its first moment on.

    Raises:
        OutputError: there is a file already (a key is never overwritten), or the file system refuses.
    """
    with _refusals(path), _temporary(path, (data,), _PRIVATE) as temporary:
        _move_to_new(temporary, path)
        _sync_folder(path.parent)


def read(path: Path) -> bytes | None:
    """What is at `path`; None when nothing is.

    Raises:
        OutputError: it cannot be read.
    """
    with _refusals(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        OutputError: the file system refuses.
    """
    with _refusals(path):
        path.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise OutputError(path, "is there already and is not overwritten", advice=MOVE_AWAY) from None
    except OSError as error:
        raise OutputError(path, (error.strerror or "cannot be read or written").lower()) from error


@contextlib.contextmanager
def _temporary(path: Path, lines: Iterable[bytes], mode: int) -> Iterator[Path]:
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    # O_BINARY is Windows' own, O_NOFOLLOW everybody else's.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _move_to_new(temporary: Path, path: Path) -> None:
    if os.name == "nt":
        temporary.rename(path)  # Windows refuses where there is a file
        return
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links (FAT, some network shares)
        with path.open("xb"):
            pass
        temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    # The name is durable only with its folder; Windows cannot open one, and writes names through by itself.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
