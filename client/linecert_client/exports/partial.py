"""A file that grows under another name until it is complete, and goes on after an interruption.

Beside `NAME` stand, while it is under way, `NAME.part` with the lines that are there and `NAME.part.json` with what
was asked for. A line that was torn is cut off before anything is added.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from linecert_client import outputs
from linecert_client.errors import OutputError
from linecert_client.exports.formats import Format
from linecert_client.progress import Progress

_LONGEST_LINE: Final = 1 << 17

Source = Callable[[int | None], Iterable[Any]]
"""Gives the records after this log index; all of them for None."""


def export_lines(path: Path, form: Format, question: dict[str, Any], source: Source, progress: Progress) -> int:
    """Write records to a file, and return how many this run wrote.

    Args:
        path: of the file; what is there is replaced when the export is complete.
        form: how a record is written.
        question: what is asked for; an interrupted export goes on only with the same one.
        source: of the records.
        progress: told how many more were written.

    Raises:
        OutputError: the file system refuses, or an export of something else was interrupted here.
    """
    part = path.with_name(path.name + ".part")
    note = path.with_name(path.name + ".part.json")
    after = _resume(part, note, form, question)
    written = 0
    with _refusals(part), part.open("ab") as file:
        if file.tell() == 0:
            file.write(form.header)
        for record in source(after):
            file.write(form.write(record))
            written += 1
            progress(1)
        file.flush()
        os.fsync(file.fileno())
    with _refusals(path):
        part.replace(path)
        note.unlink()
    return written


def discard(path: Path) -> None:
    """Forget an interrupted export.

    Raises:
        OutputError: the file system refuses.
    """
    for name in (f"{path.name}.part", f"{path.name}.part.json"):
        with _refusals(path):
            path.with_name(name).unlink(missing_ok=True)


def begin(note: Path, question: dict[str, Any]) -> bool:
    """Whether the same export was interrupted here. If none was, note that this one begins.

    Raises:
        OutputError: an export of something else was interrupted here.
    """
    noted = outputs.read(note)
    if noted is None:
        outputs.write(note, json.dumps(question).encode())
        return False
    try:
        same = json.loads(noted) == question
    except ValueError:
        same = False
    if not same:
        raise OutputError(
            note,
            "an export with another format or other filters was interrupted here",
            advice="Repeat that command, with times in full (an age such as 12h is another time now), or give "
            "--restart.",
        )
    return True


def _resume(part: Path, note: Path, form: Format, question: dict[str, Any]) -> int | None:
    """The log index after which to go on."""
    if not begin(note, question) or not part.exists():
        with _refusals(part):
            part.unlink(missing_ok=True)
        return None
    with _refusals(part), part.open("r+b") as file:
        return _last_index(file, form)


def _last_index(file: BinaryIO, form: Format) -> int | None:
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST_LINE)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(b"\n") + 1
    last = tail[tail.rfind(b"\n", 0, end - 1) + 1 : end] if end else b""
    try:
        index = form.index(last)
    except (ValueError, KeyError, TypeError):
        # The header alone, or what a crash of the machine left: from the beginning.
        file.truncate(0)
        return None
    file.truncate(start + end)
    return index


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(path, (error.strerror or "cannot be written").lower()) from error
