"""Reading the TOML files of an installation, so that every error names the file, the line and the setting."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from linecert_service.domain.errors import ConfigurationError

Location = tuple[int | str, ...]
"""Where a value stands, from the top of the file: `("profiles", "device", "validity")`."""

FIND_SETTINGS: Final = "name the file with --config, or make an installation with `linecert-server init`"

_PROBLEMS: Final = MappingProxyType(
    {
        "missing": "is missing: add it",
        "extra_forbidden": "is no setting of linecert: correct its name or remove it",
        "bool_type": "must be true or false, without quotation marks",
        "int_type": "must be a whole number such as 60, without quotation marks or a decimal point",
    }
)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_SETTING: Final = re.compile(r"\s*([A-Za-z0-9_.\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_KEY: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def check_name(value: str) -> str:
    """Return `value` when it can name a station, a line, a profile or an issuer.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(value):
        raise ValueError("must be a name of 1 to 64 ASCII letters, digits, '.', '_' and '-'")
    return value


Name = Annotated[str, AfterValidator(check_name)]


class Table(BaseModel):
    """A table of a TOML file: unknown settings are errors, and what was read does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file as read.

    Attributes:
        path: where it came from; it stands in messages.
        text: what was in it.
        data: the same, parsed.
    """

    path: Path
    text: str
    data: dict[str, Any]

    def error(self, location: Location, problem: str) -> ConfigurationError:
        """The error that says `problem` of what stands at `location`."""
        line = self._line_of(location)
        place = str(self.path) if line is None else f"{self.path}:{line}"
        return ConfigurationError(": ".join(filter(None, (place, dotted(location), problem))))

    def _line_of(self, location: Location) -> int | None:
        """The line where `location`, or the innermost table around it, begins."""
        lines = dict(_locations(self.text))
        return next((lines[place] for end in range(len(location), 0, -1) if (place := location[:end]) in lines), None)


def read(path: Path, remedy: str = FIND_SETTINGS) -> Document:
    """Read and parse a TOML file.

    Args:
        path: the file.
        remedy: what to do where it cannot be read.

    Raises:
        ConfigurationError: it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """Parse the text of a TOML file that stands, or is to stand, at `path`.

    Raises:
        ConfigurationError: it is not TOML.
    """
    try:
        return Document(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error


def first_problem(error: ValidationError) -> tuple[Location, str]:
    """The first of pydantic's findings: where, and in our words what.

    A setting that does not exist goes first: it is often the misspelt one that others say is missing.
    """
    problems = error.errors(include_url=False, include_input=False)
    found = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    location = tuple(part for part in found["loc"] if part != "[key]")
    return location, _in_our_words(found)


def dotted(location: Location) -> str:
    """A location as an operator would write it: `stations[2].identity.kind`, counted from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _in_our_words(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case kind if kind in _PROBLEMS:
            return _PROBLEMS[kind]
        case "value_error":
            return str(found["ctx"]["error"])
        case "enum" | "literal_error":
            return f"must be one of {found['ctx']['expected'].replace(' or ', ', ')}"
        case _:
            message: str = found["msg"]
            return message[0].lower() + message[1:]


def _locations(text: str) -> Iterator[tuple[Location, int]]:
    """Each table and setting with its line. A line scan: tomllib keeps no lines, and a guess only helps to search."""
    table: Location = ()
    seen: Counter[Location] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _keys(header[2])
            if header[1] == "[[":
                table, name = (*table, seen[table]), table
                seen[name] += 1
            yield table, number
        elif setting := _SETTING.match(line):
            yield (*table, *_keys(setting[1])), number


def _keys(text: str) -> Location:
    return tuple(match[1] or match[2] or match[3] for match in _KEY.finditer(text))
