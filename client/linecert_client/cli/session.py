"""A command's connection to the service, and the way from an exception to an exit code."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import typer

from linecert_client import texts
from linecert_client.cli import report
from linecert_client.client import Client
from linecert_client.credentials import Credential
from linecert_client.errors import LinecertError

_WARN_FROM: Final = timedelta(days=30)
_PATHS: Final = frozenset({"path", "file", "directory"})  # as Typer names the types of these parameters
_HOURS_SHOWN: Final = 48
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it


@contextlib.contextmanager
def session(context: typer.Context, *, as_json: bool) -> Iterator[Client]:
    """The client of the folder that -C names. Errors inside become a message and an exit code.

    Raises:
        typer.Exit: something failed or was interrupted, and stderr says so.
        typer.BadParameter: an argument is no text.
    """
    with reporting(context, as_json=as_json), Client.from_folder(context.obj) as client:
        _warn(client.credential, as_json=as_json)
        yield client


@contextlib.contextmanager
def reporting(context: typer.Context, *, as_json: bool) -> Iterator[None]:
    """Errors inside become a message and an exit code.

    Raises:
        typer.Exit: something failed or was interrupted, and stderr says so.
        typer.BadParameter: an argument is no text.
    """
    _check_texts(context)
    try:
        yield
    except LinecertError as error:
        report.error(error, as_json=as_json)
        raise typer.Exit(report.exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _check_texts(context: typer.Context) -> None:
    """Every text that was typed can be sent; a path may be any octets, as file systems have it."""
    for parameter in context.command.params:
        if parameter.type.name in _PATHS:
            continue
        value = context.params.get(parameter.name or "")
        given = value if isinstance(value, list | tuple) else (value,)
        if not all(texts.is_unicode(text) for text in given if isinstance(text, str)):
            raise typer.BadParameter("is not UTF-8: type it anew in a UTF-8 terminal", ctx=context, param=parameter)


def _warn(credential: Credential, *, as_json: bool) -> None:
    if credential.time_left() < _WARN_FROM:
        report.warning(
            f"{credential.certificate_path}: this client certificate ends in {_rough(credential.time_left())}, "
            f"at {credential.not_after:%Y-%m-%d %H:%M} UTC; ask the operator for a new one",
            as_json=as_json,
        )
    if credential.key_is_open():
        report.warning(
            f"{credential.key_path}: others than its owner can read this private key: run `chmod 600` on it",
            as_json=as_json,
        )


def _rough(left: timedelta) -> str:
    """Whole days, or whole hours of the last two."""
    hours = int(left.total_seconds() // 3600)
    count, unit = (hours, "hour") if hours < _HOURS_SHOWN else (left.days, "day")
    return "less than an hour" if hours < 1 else f"{count} {unit}{'' if count == 1 else 's'}"
