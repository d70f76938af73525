"""The catalogue of explanations, `linecert explain`, and what errors take from it."""

import json
import re
import tomllib
from importlib import resources

import pytest
import typer.main
from typer.testing import CliRunner

import linecert_service.cli
from linecert import contract
from linecert.v1.options_pb2 import Action
from linecert_client import Refused, explanations
from linecert_client.cli import app
from linecert_client.cli.report import exit_code
from linecert_client.errors import LinecertError
from support.checkout import ROOT

REASONS = [contract.refusal(reason).name for reason in contract.reasons()]
ACTIONS = [Action.Name(value).removeprefix("ACTION_").lower() for value in Action.values() if value]


def run(*arguments: str, code: int = 0, **environment: str) -> str:
    """Run `linecert explain` in an environment without a language of its own."""
    clean = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "", "COLUMNS": "200"} | environment
    result = CliRunner().invoke(app, ["explain", *arguments], env=clean)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.mark.parametrize("language", explanations.languages())
def test_a_language_has_every_reason_and_no_other(language: str) -> None:
    """A reason that is new in the contract is explained in each language, and one that is gone is in none."""
    text = resources.files(explanations).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    catalogue = tomllib.loads(text)
    assert list(catalogue["reasons"]) == REASONS
    assert list(catalogue["who"]) == ACTIONS
    assert set(catalogue["headings"]) == {"reason", "exit_code", "happened", "why", "do", "who"}
    for name, parts in catalogue["reasons"].items():
        assert list(parts) == ["happened", "why", "do"], name
        assert all(part.strip() == part and part.endswith(".") for part in parts.values()), name
    assert set(catalogue) == {"headings", "who", "reasons"}


def test_languages_say_different_things() -> None:
    """A translation is no copy."""
    assert explanations.languages() == ("de", "en")
    english, german = explanations.catalogue("en"), explanations.catalogue("de")
    for name in REASONS:
        assert english[name].do != german[name].do
        assert re.findall(r"`[^`]+`", english[name].do) == re.findall(r"`[^`]+`", german[name].do), name


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_is_explained(name: str) -> None:
    """What happened, why, what to do and who; with status, action and exit code as the contract has them."""
    shown = run(name)
    explanation = explanations.catalogue()[name]
    assert shown.startswith(f"{name} ({explanation.status}, {explanation.action}, exit code ")
    words = " ".join(shown.split())
    for heading in ("What happened", "Why the rule exists", "What to do", "Who"):
        assert heading in words
    assert explanation.happened in words
    assert explanation.who in words


@pytest.mark.parametrize(
    "environment, word",
    [
        ({}, "What to do"),
        ({"LANG": "de_DE.UTF-8"}, "Was zu tun ist"),
        ({"LC_ALL": "de"}, "Was zu tun ist"),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "What to do"),
        ({"LC_MESSAGES": "de_AT@euro", "LANG": "en_GB"}, "Was zu tun ist"),
        ({"LANG": "fr_FR.UTF-8"}, "What to do"),
    ],
)
def test_the_language_is_the_user_s(environment: dict[str, str], word: str) -> None:
    """LC_ALL, LC_MESSAGES and LANG in this order, as POSIX has it; a language that there is not becomes English."""
    assert word in run("WORK_ORDER_CLOSED", **environment)


def test_the_language_can_be_chosen() -> None:
    """--language outranks the environment, and an unknown one is wrong usage."""
    assert "Was zu tun ist" in run("WORK_ORDER_CLOSED", "--language", "de", LC_ALL="en_US")
    assert "there are de, en" in " ".join(run("--language", "xx", code=2).split())


def test_a_reason_may_be_written_otherwise_and_an_unknown_one_is_told() -> None:
    """Lower case and hyphens are understood; a slip gets a proposal."""
    assert run("work-order-closed").startswith("WORK_ORDER_CLOSED ")
    assert "WORK_ORDER_CLOSED" in run("WORK_ORDER_CLOSE", code=2)
    assert "no such reason" in " ".join(run("UNSPECIFIED", code=2).split())


def test_all_reasons_are_listed() -> None:
    """For people with exit code and what happened, for scripts with all."""
    shown = run()
    listed = json.loads(run("--json"))
    assert [one["reason"] for one in listed] == REASONS
    for one in listed:
        assert one["reason"] in shown
    assert json.loads(run("CSR_MALFORMED", "--json")) == listed[REASONS.index("CSR_MALFORMED")]
    assert listed[REASONS.index("WORK_ORDER_EXHAUSTED")]["exit_code"] == 5


def commands(program: typer.core.TyperGroup, prefix: str) -> set[str]:
    """The command lines of a program, with those of its groups."""
    found = set()
    for name, command in program.commands.items():
        found.add(f"{prefix} {name}")
        if isinstance(command, typer.core.TyperGroup):
            found |= commands(command, f"{prefix} {name}")
    return found


def test_every_command_that_is_advised_exists() -> None:
    """What stands between backquotes can be typed."""
    known = commands(typer.main.get_command(app), "linecert")  # type: ignore[arg-type]  # both are groups
    known |= commands(typer.main.get_command(linecert_service.cli.app), "linecert-server")  # type: ignore[arg-type]
    advised = {
        command
        for language in explanations.languages()
        for one in explanations.catalogue(language).values()
        for text in (one.happened, one.why, one.do)
        for command in re.findall(r"`(linecert(?:-server)? [^`]+)`", text)
    }
    assert "linecert work-order raise" in advised
    assert advised <= known


@pytest.mark.parametrize("name", REASONS)
def test_an_error_advises_what_the_catalogue_says(name: str) -> None:
    """One text for the error and for `explain`."""
    one = explanations.catalogue()[name]
    error = Refused("no", status=one.status, reason=name, action=one.action)
    assert error.advice == one.do


def test_a_reason_with_another_action_is_advised_by_its_action() -> None:
    """A newer service may know better than this catalogue who has to act."""
    error = Refused("no", status="NOT_FOUND", reason="WORK_ORDER_UNKNOWN", action="call_operator")
    assert "operator" in error.advice


def test_exit_codes_are_those_of_the_documents() -> None:
    """The table of the README and the texts of --help name each action's code as the command line has it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9]+) \|$", readme, re.MULTILINE))
    assert stated == {action: str(exit_code(LinecertError("no", action=action))) for action in ACTIONS}
    assert sorted(stated.values()) == ["3", "4", "5", "6", "7"]
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for code, meaning in ((3, "device"), (4, "station"), (5, "planner"), (6, "operator"), (7, "later"), (8, "found")):
        assert re.search(rf"\b{code} [a-z ]*{meaning}", shown), code
