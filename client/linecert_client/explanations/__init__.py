"""The long form of every reason for which the service refuses: what happened, why the rule exists, what to do, who.

A language is one file beside this one, named after it (ISO 639-1), with the same keys as `en.toml`: `[headings]`,
`[who]` by action, and `[reasons.NAME]` with `happened`, `why` and `do`. A test holds each file to the contract.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from linecert import contract

FALLBACK: Final = "en"

_SUFFIX: Final = ".toml"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reason, explained.

    Attributes:
        reason: as in ErrorInfo.reason.
        status: the gRPC status by name.
        action: who has to act, as in ErrorInfo.metadata.
        happened: what was refused.
        why: what the rule is for.
        do: what to do next.
        who: who can do it, in words.
    """

    reason: str
    status: str
    action: str
    happened: str
    why: str
    do: str
    who: str


def languages() -> tuple[str, ...]:
    """The languages that there are, in alphabetical order."""
    names = (file.name for file in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def language_of(environment: Mapping[str, str]) -> str:
    """The language of a user: the first of LC_ALL, LC_MESSAGES and LANG that is set (POSIX), else English.

    Args:
        environment: variables such as `LANG=de_DE.UTF-8`.
    """
    stated = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))), "")
    language = stated.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    return language if language in languages() else FALLBACK


@cache
def catalogue(language: str = FALLBACK) -> Mapping[str, Explanation]:
    """All explanations by reason, in the order of the contract.

    Args:
        language: one of `languages()`.

    Raises:
        KeyError: there is no such language.
    """
    texts = _texts(language)
    refusals = (contract.refusal(reason) for reason in contract.reasons())
    return {
        refusal.name: Explanation(
            reason=refusal.name,
            status=refusal.status_name,
            action=refusal.action_name,
            who=texts["who"][refusal.action_name],
            **texts["reasons"][refusal.name],
        )
        for refusal in refusals
    }


def headings(language: str = FALLBACK) -> Mapping[str, str]:
    """What stands above the parts of an explanation, by the names of its fields.

    Args:
        language: one of `languages()`.

    Raises:
        KeyError: there is no such language.
    """
    stated: dict[str, str] = _texts(language)["headings"]
    return stated


@cache
def _texts(language: str) -> dict[str, Any]:
    if language not in languages():
        raise KeyError(language)
    return tomllib.loads(resources.files(__name__).joinpath(language + _SUFFIX).read_text(encoding="utf-8"))
