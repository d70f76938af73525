"""The verifier keys that an auditor has, and the checkpoints that they open."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from linecert.transparency import Checkpoint, NoteError, VerifierKey, open_checkpoint
from linecert_client.errors import ConfigurationError

FILE_NAME: Final = "log.pub"


def read_keys(stated: str) -> tuple[VerifierKey, ...]:
    """The keys in a file, one a line and the current one first, or the one key that the text itself is.

    Raises:
        ConfigurationError: the file cannot be read, or holds no verifier keys.
    """
    path = Path(stated)
    try:
        # A key is no path that could be: where it is none, its text is taken for one.
        if "+" in stated and not path.is_file():
            return parse_keys([stated], "--key")
        return parse_keys(path.read_text(encoding="utf-8").splitlines(), stated)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file; the operator has it as pki/log.pub") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {getattr(error, 'strerror', 'no UTF-8')}") from error


def parse_keys(lines: Sequence[str], where: str) -> tuple[VerifierKey, ...]:
    """Read verifier keys, one a line; empty lines and those that begin with `#` are passed over.

    Raises:
        ConfigurationError: a line is none, or there is none.
    """
    texts = [line.strip() for line in lines]
    try:
        keys = tuple(VerifierKey.parse(text) for text in texts if text and not text.startswith("#"))
    except NoteError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    if not keys:
        raise ConfigurationError(f"{where}: holds no verifier key (NAME+KEYID+BASE64)")
    return keys


def open_genuine(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note, signed by the key of the log that it names.

    Raises:
        NoteError: it is not that.
    """
    checkpoint = open_checkpoint(note, keys)
    if checkpoint.origin not in {key.name for key in keys}:
        raise NoteError("the checkpoint names a log for which there is no key")
    # Another epoch's key must not speak for this one.
    return open_checkpoint(note, [key for key in keys if key.name == checkpoint.origin])


def notes_in(path: Path) -> Iterator[str]:
    """The notes in a file, one after the other with an empty line between, as the service writes `checkpoints.txt`.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    # A note has one empty line itself, between text and signatures; the one between two notes follows a signature.
    lines: list[str] = []
    signed = False
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                if line == "\n" and (signed or not lines):
                    if lines:
                        yield "".join(lines)
                    lines, signed = [], False
                    continue
                signed = line.startswith("\N{EM DASH} ")
                lines.append(line)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {getattr(error, 'strerror', 'no UTF-8')}") from error
    if lines:
        yield "".join(lines)
