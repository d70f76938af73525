"""`linecert-server`: one module a group of commands.

Exit status: 0, 1 when something is wrong with the installation or the machine (one sentence on stderr), 2 for usage, 77
(EX_NOPERM of sysexits.h) when a token does not take its PIN: a supervisor must not start it again then.
"""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Final

import typer

from linecert_service import core_dumps
from linecert_service.cli import check, init, issuer, log, serve, server_certificate, station, store
from linecert_service.domain.errors import LinecertError, PinRefused

PIN_REFUSED_STATUS: Final = 77
"""The systemd units name it in RestartPreventExitStatus."""


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"linecert-server {metadata.version('linecert')}")
        raise typer.Exit


app = typer.Typer(
    name="linecert-server",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def linecert_server(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """The certificate service for manufacturing lines: set it up, check it, run it."""


app.command()(init.init)
app.command()(check.check)
app.command()(serve.serve)
app.add_typer(station.app)
app.add_typer(server_certificate.app)
app.add_typer(issuer.app)
app.add_typer(store.app)
app.add_typer(log.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status.

    Args:
        arguments: behind the program's name; None: those of this process, which then leaves no core, since commands
            beside `serve` open keys, too. With arguments the process is the caller's, who decides about that.
    """
    if arguments is None:
        core_dumps.forbid()
    try:
        app(args=arguments)
    except (LinecertError, OSError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        sys.exit(PIN_REFUSED_STATUS if isinstance(error, PinRefused) else 1)


def _sentence(error: Exception) -> str:
    """One sentence on what went wrong; the operating system's errors name the file, not Python's number."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}"
    return str(error)
