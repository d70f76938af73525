"""The command line `linecert`: what a station's operator types.

Each command group is a module; importing it adds its commands to `app`.
"""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import typer

# gRPC's C core writes to stderr on its own, where a script expects this program's messages and nothing else.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from linecert_client.cli import audit, batch, charts, explain, export, issue, report, verify, work_orders

EPILOG: Final = (
    "Exit codes: 0 done; 1 a fault of linecert; 2 wrong usage; 3 correct the device; 4 correct the station; "
    "5 ask the planner; 6 call the operator; 7 try again later; 8 a verification or comparison found something; "
    "130 interrupted. `linecert explain` says what is behind a refusal. "
    "Errors go to stderr; with --json each line there is one JSON object."
)

# Local variables hold private keys: no traceback may show them.
app = typer.Typer(
    name="linecert",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)
issue.register(app)
batch.register(app)
audit.register(app)
verify.register(app)
export.register(app)
charts.register(app)
work_orders.register(app)
explain.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"linecert {metadata.version('linecert')}")
        raise typer.Exit


@app.callback()
def linecert(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Option("--client-folder", "-C", envvar="LINECERT_CLIENT", help="The folder with client.toml."),
    ] = Path(),
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Certificates for the devices of a manufacturing line."""
    context.obj = folder


def main() -> None:
    """Run the command line of this process."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        report.output_failed(error, as_json="--json" in sys.argv)
        # What is still buffered would fail once more when Python ends, and be told with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
