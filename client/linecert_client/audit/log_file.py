"""The file of a log: what `linecert export --format log` writes and `linecert verify --log` reads.

One JSON object a line, UTF-8, in the order of the log and without spaces:

    {"i":0,"leaf":{...},"cert":"..."}     a leaf that is about a certificate, with it (base64 of DER)
    {"i":1,"leaf":{...}}                  any other leaf
    {"checkpoint":"..."}                  the last line: the signed note that covers all leaves above

`leaf` is an object in RFC 8785 form, and its bytes as they stand are what the log hashes.
"""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import BinaryIO, Final

from linecert_client.errors import OutputError
from linecert_client.log_results import LogEntry

_INDEX: Final = b'{"i":'
_LEAF: Final = b',"leaf":'
_CERTIFICATE: Final = b',"cert":"'
_CHECKPOINT: Final = b'{"checkpoint":'
_LONGEST_CHECKPOINT: Final = 1 << 16


class LogFileError(ValueError):
    """A line is none of such a file, or a leaf cannot stand in one."""


def write_entry(entry: LogEntry) -> bytes:
    """The line of a leaf, its newline included.

    Raises:
        LogFileError: the leaf is no JSON object in one line.
    """
    leaf = entry.leaf
    if not (leaf.startswith(b"{") and leaf.endswith(b"}")) or b"\n" in leaf or b"\r" in leaf:
        raise LogFileError(f"leaf {entry.log_index} is no JSON object in one line, as every leaf has to be")
    head = b"%s%d%s%s" % (_INDEX, entry.log_index, _LEAF, leaf)
    if not entry.certificate:
        return head + b"}\n"
    return b'%s%s%s"}\n' % (head, _CERTIFICATE, base64.b64encode(entry.certificate))


def read_entry(line: bytes) -> LogEntry:
    """Read the line of a leaf. Whether the leaf is well-formed, `parse_leaf` says.

    Raises:
        LogFileError: it is none.
    """
    line = line.rstrip(b"\n")
    at = line.find(_LEAF)
    digits = line[len(_INDEX) : max(0, at)]
    if not (line.startswith(_INDEX) and digits.isdigit() and len(digits) <= len(str(1 << 63))):
        raise LogFileError("expected a leaf with its number")
    at += len(_LEAF)
    # A leaf ends with a brace. Where a quotation mark stands before the last one, the certificate's text ends there,
    # which has none within; and within the leaf's own texts a quotation mark is escaped.
    if not line.endswith(b'"}'):
        return LogEntry(int(digits), line[at:-1], b"")
    begin = line.rfind(b'"', at, -2) + 1
    end = begin - len(_CERTIFICATE)
    try:
        certificate = binascii.a2b_base64(line[begin:-2], strict_mode=True)
    except binascii.Error:
        certificate = b""
    if not certificate or end < at or not line.startswith(_CERTIFICATE, end):
        raise LogFileError("expected a certificate in base64")
    return LogEntry(int(digits), line[at:end], certificate)


def write_checkpoint(note: str) -> bytes:
    """The last line, its newline included."""
    return _CHECKPOINT + json.dumps(note).encode() + b"}\n"


def is_checkpoint(line: bytes) -> bool:
    """Whether this is the last line, not a leaf's."""
    return line.startswith(_CHECKPOINT)


def read_checkpoint(line: bytes) -> str:
    """The note in the last line.

    Raises:
        LogFileError: it is no such line.
    """
    try:
        note = json.loads(line)["checkpoint"]
    except (ValueError, KeyError, TypeError, RecursionError):
        note = None
    if not isinstance(note, str):
        raise LogFileError("expected the signed checkpoint")
    return note


def last_line(file: BinaryIO) -> bytes:
    """The last line of a file that is open for reading, whose position is then the beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_CHECKPOINT))
    lines = file.read().splitlines()
    file.seek(0)
    return lines[-1] if lines else b""


def open_log(path: Path) -> BinaryIO:
    """Open a file of a log.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise OutputError(path, (error.strerror or "cannot be read").lower()) from error
