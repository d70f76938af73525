"""JSON lines (https://jsonlines.org): a JSON object a line, with the names that a CSV has as its headings."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from linecert_client.csv_files import BYTE_ORDER_MARK, Cells, Line, opened, parsed_lines
from linecert_client.texts import is_unicode

_ATTRIBUTES: Final = "attributes"
_LONGEST_NAME: Final = 40
_PEEK_BYTES: Final = 256

_Parsed = TypeVar("_Parsed")


def looks_like(path: Path) -> bool:
    """Whether a file begins as JSON lines do.

    Raises:
        InputFileError: it cannot be read.
    """
    with opened(path) as file:
        return file.read(_PEEK_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{")


def read(
    path: Path, names: Mapping[str, str], parse: Callable[[Cells], _Parsed], *, other_columns: bool = False
) -> Iterator[Line[_Parsed]]:
    """The lines of a file that are right, one by one; an error about the others at the end.

    Args:
        path: of the file.
        names: that a line may have, and what each is called in the cells; `attributes` is an object of its own.
        parse: makes something of a line's cells; raises ValueError with what is wrong.
        other_columns: whether names that nobody knows are passed over.

    Raises:
        InputFileError: at once where the file cannot be read, else after the last line.
    """
    with opened(path) as file:
        yield from parsed_lines(
            path, _filled(file), lambda line: parse(_cells(line, names, other_columns=other_columns))
        )


def _filled(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if text.strip():
            yield number, text


def _cells(line: bytes, names: Mapping[str, str], *, other_columns: bool) -> Cells:
    try:
        value = json.loads(line, object_pairs_hook=_once)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("is not a JSON object") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - the content is wrong
    attributes = value.pop(_ATTRIBUTES, None) or {}
    if not isinstance(attributes, dict):
        raise ValueError("attributes must be an object of texts")  # noqa: TRY004 - the content is wrong
    cells: Cells = {}
    for name, content in value.items():
        if name in names:
            cells[names[name]] = _text(name, content)
        elif not other_columns:
            raise ValueError(
                f"unknown name {name[:_LONGEST_NAME]!r}: expected {', '.join(sorted({*names.values()}))}, attributes; "
                "--ignore-other-columns passes over it"
            )
    return cells | {f"attr.{key}": _text(_ATTRIBUTES, content) for key, content in attributes.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name stands twice in it")
    return names


def _text(name: str, content: Any) -> str:
    if not isinstance(content, str):
        raise ValueError(f"{name[:_LONGEST_NAME]} must be a text, in quotation marks")  # noqa: TRY004 - as above
    if not is_unicode(content):
        raise ValueError(f"{name[:_LONGEST_NAME]} has half of a surrogate pair in it, which is no character")
    return content.strip()
