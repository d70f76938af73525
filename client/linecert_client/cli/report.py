"""What goes to stderr: errors with their exit code, warnings and notes; with --json one JSON object a line."""

import json
from typing import Any, Final

import typer

from linecert import contract
from linecert.v1.options_pb2 import Action
from linecert_client.errors import (
    DeadlineExceeded,
    InputFileError,
    LinecertError,
    Refused,
    TlsError,
    Unavailable,
    Unreachable,
)

NOT_VERIFIED: Final = 8
"""The exit code of a verification or a comparison that found something."""

_OUR_FAULT: Final = 1
_BEFORE_FIRST_ACTION: Final = 2  # 0, 1 and 2 are taken: the first action is 3


def exit_code(error: LinecertError) -> int:
    """3 to 7 in the order of the contract's Action, by who has to act; 1 where nobody is named."""
    return exit_code_of(error.action)


def exit_code_of(action: str) -> int:
    """The exit code that names `action`, as it stands in ErrorInfo.metadata; 1 for none that is known."""
    name = f"ACTION_{action.upper()}"
    known = name in Action.keys()  # noqa: SIM118 - an enum wrapper, no mapping
    return _BEFORE_FIRST_ACTION + Action.Value(name) if known and Action.Value(name) else _OUR_FAULT


def error(error: LinecertError, *, as_json: bool) -> None:
    """Say what was wrong, where, and what to do next."""
    if as_json:
        _line({"error": type(error).__name__, **_facts(error), "exit_code": exit_code(error)})
        return
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(printable(error.message), err=True)
    refusal = error.last if isinstance(error, Unavailable) else error
    if isinstance(refusal, Refused) and not isinstance(error, Unreachable):
        where = f", field {refusal.field}" if refusal.field else ""
        typer.echo(printable(f"  reason: {refusal.reason or 'none given'} ({refusal.status}{where})"), err=True)
        for key, value in sorted(refusal.metadata.items()):
            typer.echo(printable(f"  {key}: {value}"), err=True)
    if isinstance(error, InputFileError) and len(error.problems) > 1:
        for problem in error.problems:
            typer.echo(f"  {printable(problem)}", err=True)
    typer.echo(f"  next: {error.advice}", err=True)
    if isinstance(refusal, Refused) and contract.reason_named(refusal.reason):
        typer.echo(f"  more: linecert explain {refusal.reason}", err=True)


def output_failed(error: OSError, *, as_json: bool) -> None:
    """Say that standard output, or a file, takes no more."""
    problem = f"{error.filename or 'standard output'}: {(error.strerror or 'cannot be written').lower()}"
    if as_json:
        _line({"error": "OSError", "message": problem, "exit_code": _OUR_FAULT})
    else:
        typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
        typer.echo(printable(problem), err=True)


def warning(text: str, *, as_json: bool) -> None:
    """Say what will become an error."""
    if as_json:
        _line({"warning": text})
    else:
        typer.secho("warning: ", fg=typer.colors.YELLOW, bold=True, nl=False, err=True)
        typer.echo(text, err=True)


def _facts(error: LinecertError) -> dict[str, Any]:
    facts: dict[str, Any] = {"message": error.message, "action": error.action, "advice": error.advice}
    if isinstance(error, InputFileError):
        facts |= {"file": str(error.path), "line": error.line, "problems": list(error.problems)}
    if isinstance(error, TlsError):
        facts["file"] = str(error.path) if error.path else None
        facts["not_after"] = error.not_after.isoformat() if error.not_after else None
    if isinstance(error, Unavailable | DeadlineExceeded):
        facts["request_id"] = error.request_id
    refusal = error.last if isinstance(error, Unavailable) else error
    if isinstance(refusal, Refused):
        facts |= {name: getattr(refusal, name) for name in ("reason", "status", "field", "retry_after")}
        facts["metadata"] = dict(refusal.metadata)
    return facts


def _line(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value), err=True)


def printable(text: str) -> str:
    """Without control characters: what a server answers must not steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
