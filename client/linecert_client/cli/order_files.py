"""The commands of `linecert work-order` that read a planner's files: `open --csv` and `expect`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from linecert_client.cli import options, order_answers, progress, report
from linecert_client.cli.answers import print_json
from linecert_client.cli.session import session
from linecert_client.client import Client
from linecert_client.errors import Refused
from linecert_client.planning import device_list
from linecert_client.planning.files import PlannedOrder, read_expected, read_orders
from linecert_client.work_orders import WorkOrder

# Of one order and its content. Whatever else a call ends with, the next order would meet as well.
_OF_ONE_ORDER: Final = frozenset({"INVALID_ARGUMENT", "ALREADY_EXISTS", "NOT_FOUND", "FAILED_PRECONDITION"})

IgnoreOtherColumns: TypeAlias = Annotated[
    bool, typer.Option("--ignore-other-columns", help="Pass over columns of the file that linecert does not know.")
]


def open_all(
    context: typer.Context, path: Path, *, deadline: timedelta | None, other_columns: bool, as_json: bool
) -> None:
    """Open every order of a file.

    Raises:
        typer.Exit: the file is wrong, or an order was refused; stderr says so.
    """
    with session(context, as_json=as_json) as client:
        planned = read_orders(path, other_columns=other_columns)
        opened: list[WorkOrder] = []
        refusals: list[Refused] = []
        with progress.bar("opening", len(planned), as_json=as_json) as done:
            for line in planned:
                try:
                    opened.append(_open(client, line.content, options.seconds(deadline)))
                except Refused as refused:
                    refused.message = f"{path}:{line.number}: {refused.message}"
                    if refused.status not in _OF_ONE_ORDER:
                        raise
                    refusals.append(refused)
                done(1)
    _print_opened(opened, refusals, as_json=as_json)
    if refusals:
        raise typer.Exit(report.exit_code(refusals[0]))


def expect(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The order's name.")],
    *,
    csv: Annotated[
        Path,
        typer.Option("--csv", exists=True, dir_okay=False, help="The devices: registration_id, public_key_sha256."),
    ],
    ignore_other_columns: IgnoreOtherColumns = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """List the devices of a work order one by one: no other device is issued for it then.

    The file's first line names its columns: registration_id, and public_key_sha256 (hex, of the SubjectPublicKeyInfo)
    where a device may have one key only. Every line is checked before the first device is sent. The same file again
    changes nothing: run it again after an interruption.
    """
    with session(context, as_json=as_json) as client:
        with progress.bar("checking", None, as_json=as_json) as done:
            count = device_list.check(csv, done, other_columns=ignore_other_columns)
        devices = (line.content for line in read_expected(csv, other_columns=ignore_other_columns))
        with progress.bar("importing", count, as_json=as_json) as done:
            result = client.import_expected_devices(name, devices, progress=done, deadline=options.seconds(deadline))
    if as_json:
        print_json(
            {
                "imported": result.imported,
                "already_there": result.already_there,
                "work_order": order_answers.order_json(result.work_order),
            }
        )
    else:
        typer.echo(f"{result.imported} devices imported, {result.already_there} were there already")
        order_answers.print_order(result.work_order, as_json=False)


def _open(client: Client, order: PlannedOrder, deadline: float | None) -> WorkOrder:
    return client.open_work_order(
        order.name,
        order.quantity,
        profile=order.profile,
        lines=order.lines,
        registration_id_patterns=order.patterns,
        replacement_limit=order.replacement_limit,
        deadline=deadline,
    )


def _print_opened(opened: list[WorkOrder], refusals: list[Refused], *, as_json: bool) -> None:
    for refused in refusals:
        report.error(refused, as_json=as_json)
    if as_json:
        print_json({"opened": [order_answers.order_json(order) for order in opened], "refused": len(refusals)})
        return
    for order in opened:
        order_answers.print_order(order, as_json=False)
    if refusals:
        typer.echo(f"{len(opened)} of {len(opened) + len(refusals)} orders opened; the others were refused", err=True)
