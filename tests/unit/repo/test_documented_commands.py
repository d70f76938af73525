"""The command lines in the documents are those that the programs take."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

import linecert_client.cli
import linecert_service.cli
from support.checkout import ROOT, files

PROGRAMS = {
    "linecert": typer.main.get_command(linecert_client.cli.app),
    "linecert-server": typer.main.get_command(linecert_service.cli.app),
}
CODE = re.compile(r"^```sh\n(?P<block>.*?)^```|`(?P<span>linecert(?:-server)? [^`]+)`", re.DOTALL | re.MULTILINE)


def command_lines(markdown: str) -> Iterator[str]:
    """The lines of a document that call a program of ours, from code spans and shell blocks."""
    for code in CODE.finditer(markdown):
        for line in (code["block"] or code["span"]).replace("\\\n", " ").splitlines():
            command = re.split(r"\s#|[|>&]", line)[0].strip()
            if command.partition(" ")[0].rpartition("/")[2] in PROGRAMS:
                yield command


DOCUMENTED = sorted(
    {
        (str(path), line)
        for path in files()
        if path.suffix == ".md"
        for line in command_lines((ROOT / path).read_text(encoding="utf-8"))
    }
)


def unknown_parts(line: str) -> list[str]:
    """The parts of a command line that the program does not take; values are not judged."""
    program, *parts = shlex.split(line)
    command = PROGRAMS[program.rpartition("/")[2]]
    options = set(_options(command))
    unknown = []
    values_follow = False
    for part in parts:
        if part.startswith("-"):
            unknown += [] if part in options else [part]
            values_follow = True
        elif isinstance(command, TyperGroup) and (inner := command.commands.get(part)):
            command, values_follow = inner, False
            options |= set(_options(inner))
        elif isinstance(command, TyperGroup) and not values_follow:
            unknown.append(part)
        else:
            values_follow = False
    return unknown


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts
        yield from parameter.secondary_opts
    yield "--help"


@pytest.mark.parametrize("path, line", DOCUMENTED)
def test_a_documented_command_line_exists(path: str, line: str) -> None:
    """A reader can type what the document says."""
    assert not unknown_parts(line), f"{path}: {line}"


def test_there_are_documented_command_lines() -> None:
    """The search finds the tour of the README."""
    assert sum(path == "README.md" for path, _ in DOCUMENTED) > 5


@pytest.mark.parametrize("line", ["linecert burn --out x", "linecert -C x sign a.pem --of x"])
def test_an_unknown_command_or_option_is_found(line: str) -> None:
    """The test above would notice."""
    assert unknown_parts(line)
