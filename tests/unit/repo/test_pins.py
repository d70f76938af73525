"""The pinned versions answer to what pyproject.toml asks for. Reads files only: `make lock` alone needs an index."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
EVERYTHING = [*BASE, *(name for extra in EXTRAS.values() for name in extra), *PROJECT["dependency-groups"]["dev"]]
TOOLCHAIN = (ROOT / "proto/toolchain.in").read_text(encoding="utf-8").split()
PINS = {
    "constraints.txt": EVERYTHING,
    "deploy/requirements.txt": [*BASE, *EXTRAS["server"]],
    "proto/toolchain.txt": TOOLCHAIN,
}
FILES = sorted(PINS)


def requirements(path: Path) -> Iterator[tuple[Requirement, int]]:
    """Each requirement of a pip requirements file with the number of its hashes."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        requirement, *hashes = line.split("--hash=sha256:")
        yield Requirement(requirement.strip()), len(hashes)


def versions(name: str) -> dict[str, set[str]]:
    """The pinned versions of a file by package; a package may have one for each environment marker."""
    found: dict[str, set[str]] = {}
    for requirement, _ in requirements(ROOT / name):
        found.setdefault(canonicalize_name(requirement.name), set()).add(next(iter(requirement.specifier)).version)
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_pin_is_exact_and_has_a_hash(name: str) -> None:
    """Nothing can be installed that was not there when the pins were made."""
    for requirement, hashes in requirements(ROOT / name):
        assert [clause.operator for clause in requirement.specifier] == ["=="], requirement
        assert hashes, requirement


@pytest.mark.parametrize("name", FILES)
def test_every_dependency_is_pinned_to_a_version_that_it_allows(name: str) -> None:
    """A dependency that was added or raised without `make lock` is noticed."""
    pinned = versions(name)
    for wanted in map(Requirement, PINS[name]):
        found = pinned.get(canonicalize_name(wanted.name), set())
        assert found, f"{wanted.name} is not in {name}: run make lock"
        assert all(wanted.specifier.contains(version) for version in found), f"{wanted} in {name}: run make lock"


def test_the_server_runs_what_was_tested() -> None:
    """The pins of a server are those of the developers, package by package."""
    tested = versions("constraints.txt")
    for package, found in versions("deploy/requirements.txt").items():
        assert found <= tested[package], f"{package}: run make lock"


def test_a_server_installs_no_developers_tool() -> None:
    """What only developers need does not reach a server."""
    tools = {canonicalize_name(Requirement(tool).name) for tool in PROJECT["dependency-groups"]["dev"]}
    runtime = {canonicalize_name(Requirement(name).name) for name in PINS["deploy/requirements.txt"]}
    assert not (tools - runtime) & set(versions("deploy/requirements.txt"))
