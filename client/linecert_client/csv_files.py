"""Reading a CSV that somebody else's system wrote: every error with its line, any size in little memory.

Comma or semicolon, as the heading has it; UTF-8 with or without a byte order mark; headings in any case, with spaces,
hyphens or underscores between words.
"""

import contextlib
import csv
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Generic, TypeVar

from linecert_client.errors import InputFileError

PROBLEMS_KEPT: Final = 20
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BETWEEN_WORDS: Final = re.compile(r"[\s_-]+")
_LONGEST_NAME: Final = 40

_Parsed = TypeVar("_Parsed")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file may have.

    Attributes:
        name: by which its cells are found.
        aliases: other headings for it.
        required: whether the file must have it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Line(Generic[_Parsed]):
    """What a line of the file says.

    Attributes:
        number: of the line on which it begins, counted from 1.
        content: what was read of it.
    """

    number: int
    content: _Parsed


Cells = dict[str, str]
"""A row's cells by the column's name, without space around them; a column that the file lacks is not there."""


def read(
    path: Path,
    columns: Sequence[Column],
    parse: Callable[[Cells], _Parsed],
    *,
    other_columns: bool = False,
    families: tuple[str, ...] = (),
) -> Iterator[Line[_Parsed]]:
    """The lines of a file that are right, one by one; an error about the others at the end.

    Args:
        path: of the file.
        columns: that it may have.
        parse: makes something of a row; raises ValueError with what is wrong, which comes with its line to the user.
        other_columns: whether columns that nobody knows are passed over. They are an error without it, since a
            misspelt heading would silently leave out a rule.
        families: prefixes such as `attr.` under which a column may have any name.

    Raises:
        InputFileError: at once where the file or its heading cannot be read, else after the last line.
    """
    with opened(path) as file:
        rows = _rows(path, file)
        names = _heading(path, next(rows, None), columns, families, other_columns=other_columns)
        filled = ((number, row) for number, row in rows if any(row))
        yield from parsed_lines(path, filled, lambda row: parse(_cells(names, row)))


def parsed_lines(
    path: Path, rows: Iterable[tuple[int, _Row]], parse: Callable[[_Row], _Parsed]
) -> Iterator[Line[_Parsed]]:
    """What is right of numbered rows, one by one; an error about the others at the end.

    Args:
        path: of the file that they come from.
        rows: with the number of each one's line.
        parse: makes something of a row; raises ValueError with what is wrong.

    Raises:
        InputFileError: after the last row.
    """
    problems: list[tuple[int, str]] = []
    count = 0
    for number, row in rows:
        try:
            parsed = parse(row)
        except ValueError as error:
            count += 1
            if len(problems) < PROBLEMS_KEPT:
                problems.append((number, str(error)))
            continue
        yield Line(number, parsed)
    if problems:
        raise wrong_lines(path, problems, count)


def wrong_lines(path: Path, problems: Sequence[tuple[int, str]], count: int | None = None) -> InputFileError:
    """The error about lines of a file.

    Args:
        path: of the file.
        problems: line number and what is wrong there; at least one.
        count: how many lines are wrong, where not all are among `problems`.
    """
    count = count or len(problems)
    if count == 1:
        number, problem = problems[0]
        return InputFileError(path, problem, line=number)
    texts = [f"{path}:{number}: {problem}" for number, problem in problems]
    if count > len(texts):
        texts.append(f"{path}: and {count - len(texts)} more")
    return InputFileError(path, f"{count} lines are wrong", problems=texts)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read.

    Raises:
        InputFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InputFileError(path, (error.strerror or "cannot be read").lower()) from error


def _rows(path: Path, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it begins on."""
    first = file.readline()
    if first.startswith(_UTF16):
        raise InputFileError(path, "is UTF-16: save it as CSV UTF-8")
    file.seek(len(BYTE_ORDER_MARK) if first.startswith(BYTE_ORDER_MARK) else 0)
    delimiter = ";" if first.count(b";") > first.count(b",") else ","
    reader = csv.reader(_lines(path, file), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputFileError(path, f"is not CSV: {error}", line=number) from None
        yield number, [cell.strip() for cell in row]


def _lines(path: Path, file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise InputFileError(path, "is not UTF-8: save the file as CSV UTF-8", line=number) from None


def _heading(
    path: Path,
    first: tuple[int, list[str]] | None,
    columns: Sequence[Column],
    families: tuple[str, ...],
    *,
    other_columns: bool,
) -> list[str | None]:
    """The column of each cell; None where it is passed over."""
    known = {heading: column.name for column in columns for heading in (column.name, *column.aliases)}
    number, cells = first or (1, [])
    headings = [_BETWEEN_WORDS.sub("_", cell.lower()) for cell in cells]
    names = [known.get(heading) or (heading if heading.startswith(families) else None) for heading in headings]
    missing = [column.name for column in columns if column.required and column.name not in names]
    if missing:
        raise InputFileError(path, f"there is no column {missing[0]}: {_expected(columns)}", line=number)
    given = [name for name in names if name]
    if not given:
        raise InputFileError(path, f"there is no column that is known: {_expected(columns)}", line=number)
    if twice := next((name for name in given if given.count(name) > 1), None):
        raise InputFileError(path, f"there are two columns for {twice}", line=number)
    unknown = [heading for heading, name in zip(headings, names, strict=True) if heading and name is None]
    if unknown and not other_columns:
        raise InputFileError(path, _unknown(unknown[0], known, columns), line=number)
    return names


def _unknown(heading: str, known: dict[str, str], columns: Sequence[Column]) -> str:
    close = difflib.get_close_matches(heading, known, n=1)
    meant = f"did you mean {close[0]}?" if close else _expected(columns)
    return f"unknown column {heading[:_LONGEST_NAME]!r}: {meant} --ignore-other-columns passes over it"


def _expected(columns: Sequence[Column]) -> str:
    return f"the first line must name columns, of {', '.join(column.name for column in columns)}."


def _cells(names: Sequence[str | None], row: list[str]) -> Cells:
    # A row that is cut short or shifted would lose a rule, such as the lines of an order.
    if len(row) < len(names) or any(row[len(names) :]):
        raise ValueError(f"has {len(row)} cells, and the first line names {len(names)} columns")
    return {name: cell for name, cell in zip(names, row, strict=False) if name is not None}
