"""A command's connection to the service, and the way from an exception to an exit code."""

import contextlib
from collections.abc import Iterator
from typing import Final

import typer

from linecert_client.cli import report
from linecert_client.client import Client
from linecert_client.errors import LinecertError

_WARN_DAYS: Final = 30
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it


@contextlib.contextmanager
def session(context: typer.Context, *, as_json: bool) -> Iterator[Client]:
    """The client of the folder that -C names. Errors inside become a message and an exit code.

    Raises:
        typer.Exit: something failed or was interrupted, and stderr says so.
    """
    with reporting(as_json=as_json), Client.from_folder(context.obj) as client:
        _warn_of_end(client, as_json=as_json)
        yield client


@contextlib.contextmanager
def reporting(*, as_json: bool) -> Iterator[None]:
    """Errors inside become a message and an exit code.

    Raises:
        typer.Exit: something failed or was interrupted, and stderr says so.
    """
    try:
        yield
    except LinecertError as error:
        report.error(error, as_json=as_json)
        raise typer.Exit(report.exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _warn_of_end(client: Client, *, as_json: bool) -> None:
    credential = client.credential
    if credential.days_left() < _WARN_DAYS:
        report.warning(
            f"{credential.certificate_path}: this client certificate ends in {credential.days_left()} days, "
            f"on {credential.not_after:%Y-%m-%d}; ask the operator for a new one",
            as_json=as_json,
        )
