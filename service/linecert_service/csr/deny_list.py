"""The operator's list of keys that no device may have, such as published or leaked ones."""

import re
from pathlib import Path
from typing import Final

from linecert_service.domain.errors import ConfigurationError

_ENTRY: Final = re.compile(r"[0-9A-Fa-f]{64}")


def read(path: Path) -> frozenset[bytes]:
    """Read a deny list: one SHA-256 of a SubjectPublicKeyInfo in hex on a line, `#` before a comment.

    Raises:
        ConfigurationError: the file cannot be read, or a line is something else; the message names file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: the deny list of public keys cannot be read. Give a text file that this user may read."
        ) from error
    entries = set()
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        if not _ENTRY.fullmatch(entry):
            raise ConfigurationError(
                f"{path}, line {number}: not the SHA-256 of a public key. Write 64 hex digits a line, as"
                " `openssl pkey -pubin -outform DER | sha256sum` prints them, and `#` before comments."
            )
        entries.add(bytes.fromhex(entry))
    return frozenset(entries)
