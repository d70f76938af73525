"""`pki/own-keys.txt`: the keys that an installation made for itself and its callers, which no device may come with."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from linecert_service.domain.errors import ConfigurationError

_LINE: Final = re.compile(r"(?P<sha256>[0-9a-f]{64})?\s*(#.*)?")
_HEADER: Final = (
    "# SHA-256 of SubjectPublicKeyInfos that this installation made. The service refuses them as device keys.\n"
)


def read(path: Path) -> frozenset[bytes]:
    """The SHA-256 hashes of the keys.

    Raises:
        ConfigurationError: the file cannot be read or holds something else.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"own_keys: {path} cannot be read: restore it, or remove the setting") from error
    hashes = set()
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ConfigurationError(f"{path}:{number}: is no SHA-256 of 64 hex digits: correct or remove the line")
        if match["sha256"]:
            hashes.add(bytes.fromhex(match["sha256"]))
    return frozenset(hashes)


def record(path: Path, keys: Iterable[tuple[str, bytes]]) -> None:
    """Append keys, each with what it is for and the SHA-256 of its SubjectPublicKeyInfo, and write them to disk."""
    with path.open("a", encoding="ascii") as file:
        if file.tell() == 0:
            file.write(_HEADER)
        file.writelines(f"{sha256.hex()} # {purpose}\n" for purpose, sha256 in keys)
        file.flush()
        os.fsync(file.fileno())
