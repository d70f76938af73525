"""`linecert explain`: the long form of a refusal's reason."""

import dataclasses
import difflib
import os
import textwrap
from typing import Annotated, Any, Final

import typer

from linecert import contract
from linecert_client import explanations
from linecert_client.cli import options
from linecert_client.cli.answers import print_json
from linecert_client.cli.report import exit_code_of
from linecert_client.explanations import Explanation

_WIDTH: Final = 100
_INDENT: Final = "  "
_PARTS: Final = ("happened", "why", "do", "who")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(explain)


def explain(
    reason: Annotated[str | None, typer.Argument(metavar="REASON", help="Such as WORK_ORDER_EXHAUSTED.")] = None,
    *,
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="en|de", help="Of the text; else that of LC_ALL, LC_MESSAGES or LANG."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Explain why the service refuses: what happened, why the rule exists, what to do, and who can.

    Without a reason, all are listed.
    """
    chosen = _language(language)
    explained = explanations.catalogue(chosen)
    if reason is None:
        _list(list(explained.values()), chosen, as_json=as_json)
    elif as_json:
        print_json(_json(explained[_known(reason)]))
    else:
        _print(explained[_known(reason)], chosen)


def _language(stated: str | None) -> str:
    if stated is None:
        return explanations.language_of(os.environ)
    if stated not in explanations.languages():
        known = ", ".join(explanations.languages())
        raise typer.BadParameter(f"there is no such language; there are {known}", param_hint="--language")
    return stated


def _known(stated: str) -> str:
    """The reason as the contract writes it."""
    reason = stated.upper().replace("-", "_")
    if contract.reason_named(reason) and reason in explanations.catalogue():
        return reason
    close = difflib.get_close_matches(reason, explanations.catalogue(), n=1)
    meant = f"did you mean {close[0]}?" if close else "`linecert explain` lists them; a newer service may have more"
    raise typer.BadParameter(f"this version knows no such reason: {meant}", param_hint="REASON")


def _list(explained: list[Explanation], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_json(one) for one in explained])
        return
    from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

    headings = explanations.headings(language)
    tables.print_rows(
        [headings["reason"], headings["exit_code"], headings["happened"]],
        [[one.reason, str(exit_code_of(one.action)), one.happened] for one in explained],
    )


def _print(one: Explanation, language: str) -> None:
    headings = explanations.headings(language)
    typer.secho(one.reason, bold=True, nl=False)
    typer.echo(f" ({one.status}, {one.action}, {headings['exit_code']} {exit_code_of(one.action)})")
    for part in _PARTS:
        typer.echo(f"\n{headings[part]}")
        typer.echo(textwrap.fill(getattr(one, part), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT))


def _json(one: Explanation) -> dict[str, Any]:
    return dataclasses.asdict(one) | {"exit_code": exit_code_of(one.action)}
