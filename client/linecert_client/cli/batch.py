"""`linecert batch`: a lot of devices, each with its certificate. Safe to repeat after a crash."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from linecert_client.batch import checks
from linecert_client.batch.failures import Failures
from linecert_client.batch.manifest import open_manifest
from linecert_client.batch.run import Run
from linecert_client.batch_calls import CALLS_IN_FLIGHT, MOST_CALLS_IN_FLIGHT
from linecert_client.cli import options, progress
from linecert_client.cli.batch_report import BatchReport
from linecert_client.cli.order_files import IgnoreOtherColumns
from linecert_client.cli.session import session
from linecert_client.errors import LinecertError
from linecert_client.keys import KeyType
from linecert_client.wishes import Wishes


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(batch)


def batch(
    context: typer.Context,
    *,
    manifest: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST...",
            exists=True,
            readable=True,
            help="A CSV, a JSON-lines file, a folder of CSRs, or CSR files.",
        ),
    ],
    out: options.Out = Path(),
    key_type: Annotated[
        KeyType | None,
        typer.Option("--key-type", help="Of keys made for devices without a CSR; p256 when not given."),
    ] = None,
    profile: options.Profile = None,
    work_order: options.WorkOrder = None,
    lot: options.Lot = None,
    attribute: options.Attributes = None,
    validity: options.Validity = None,
    reason: options.Reason = None,
    failures: Annotated[
        Path | None,
        typer.Option("--failures", dir_okay=False, help="A CSV to write with what failed: a manifest again."),
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=MOST_CALLS_IN_FLIGHT, help="Calls in flight at once.")
    ] = CALLS_IN_FLIGHT,
    ignore_other_columns: IgnoreOtherColumns = False,
    deadline: Annotated[
        timedelta | None,
        typer.Option(
            "--deadline",
            parser=options.read_duration,
            metavar="TIME",
            help="How long to go on without any outcome, such as 5m.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Get certificates for many devices; each gets the files that `sign` or `make` would write.

    The manifest is a CSV whose first line names its columns, or has a JSON object a line with the same names:
    registration_id; csr, the file of the device's CSR, relative to the manifest (without this column the station makes
    the keys); profile, work_order, lot, validity, replacement_reason, request_id; and attr.NAME for an attribute. What
    a line leaves open is as the options say.

    All of it is checked before anything is sent. The same command, given again after an interruption, finishes what is
    left: who has a certificate is passed over, and who was asked for is asked for as before. What the service refuses
    for one device does not hold up the others. Exit code: 0 when every device has its certificate, else that of the
    action that most of the refused ones need.
    """
    defaults = Wishes(
        profile=profile,
        work_order=work_order,
        lot=lot,
        attributes=options.read_attributes(attribute or ()),
        validity=validity,
        reason=reason,
    )
    with session(context, as_json=as_json) as client, Failures(failures) as failed:
        listed = open_manifest(manifest, defaults, other_columns=ignore_other_columns)
        with progress.bar("checking", None, as_json=as_json) as done:
            count = checks.check(listed, done)
        with progress.bar("issuing", count, as_json=as_json) as done:
            told = BatchReport(failed, done, as_json=as_json)
            run = Run(client, out, key_type, listed.read(), told.tell)
            ended = _run(run, told, options.seconds(deadline), parallel)
        told.finish()
        if ended:
            raise ended
    if code := told.exit_code():
        raise typer.Exit(code)


def _run(run: Run, told: BatchReport, deadline: float | None, parallel: int) -> LinecertError | None:
    """Work through the devices; the error that ended it, if one did, once the others are told as not reached."""
    try:
        run.run(deadline=deadline, parallel=parallel)
    except LinecertError as error:
        for left in run.left(error):
            told.tell(left)
        return error
    return None
