"""The commands that the repository offers, and those that its documents name."""

import re
import subprocess

from support.checkout import ROOT, files

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
COMMAND = re.compile(r"(?:^|`|\$ )make ((?:[a-z-]+ ?)+)", re.MULTILINE)


def test_make_alone_lists_every_command() -> None:
    """`make` prints what there is, one line each."""
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) ", listing, re.MULTILINE)) == TARGETS


def test_every_phony_target_says_what_it_is_for() -> None:
    """No target is hidden from the list."""
    assert set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)) == TARGETS


def test_documents_name_commands_that_exist() -> None:
    """A `make` command in a document works as it stands there."""
    named = {
        target
        for path in files()
        if path.suffix == ".md"
        for command in COMMAND.findall((ROOT / path).read_text(encoding="utf-8"))
        for target in command.split()
    }
    assert named
    assert named <= TARGETS


def test_continuous_integration_runs_checks_and_tests() -> None:
    """What is green here is green there: .ci/run calls the developer's own commands."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.search(r"^make check$", script, re.MULTILINE)
    assert re.search(r"^make test$", script, re.MULTILINE)
