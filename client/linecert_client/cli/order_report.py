"""`linecert work-order report`: what was ordered, expected, issued and built, held against each other."""

import csv
import functools
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from linecert_client import outputs
from linecert_client.cli import options, order_answers, progress
from linecert_client.cli import report as reports
from linecert_client.cli.session import session
from linecert_client.exports.formats import harmless
from linecert_client.planning.differences import Difference, Kind

if TYPE_CHECKING:
    from linecert_client.planning.report import OrderReport

_SHOWN: Final = 100
_COLUMNS: Final = ("kind", "code", "registration_id", "serial_number", "detail", "line")


def report(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The order's name.")],
    *,
    expected: Annotated[
        Path | None,
        typer.Option(
            "--expected",
            exists=True,
            dir_okay=False,
            help="Expected devices, as `expect` takes them, in place of those that the service has.",
        ),
    ] = None,
    built: Annotated[
        Path | None,
        typer.Option(
            "--built", exists=True, dir_okay=False, help="What was built: registration_id, serial_number or both."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="Write all differences, as CSV.")] = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Compare a work order with what was expected, issued and really built.

    Missing: expected without a certificate, or with one and not built; extra: not expected, or built without a
    certificate of the order; replaced: certificates that took the place of another one. Exit code 8 says that there are
    differences; replacements that are built as they stand on record are none.

    Of the columns registration_id and serial_number (of the certificate, in hex) the file of --built has one or both.
    Needs the role planner or auditor: it reads what was issued, for all stations.
    """
    from linecert_client.planning.comparison import Comparison  # noqa: PLC0415 - only this command pays for SQLite
    from linecert_client.planning.report import compare  # noqa: PLC0415 - as above

    bars = functools.partial(progress.bar, as_json=as_json)
    with session(context, as_json=as_json) as client, Comparison() as comparison:
        found = compare(
            client, name, comparison, bars, expected=expected, built=built, deadline=options.seconds(deadline)
        )
        if out:
            outputs.write_lines(out, _csv_lines(found))
        if as_json:
            _print_json(found)
        else:
            _print(found, out)
    if not found.agrees:
        raise typer.Exit(reports.NOT_VERIFIED)


def _numbers(found: "OrderReport") -> dict[str, int | None]:
    return {
        "quantity": found.order.quantity,
        "expected_by_service": found.order.expected_devices,
        "expected_listed": found.expected,
        "issued": found.devices,
        "replacements": found.replacements,
        "replacement_limit": found.order.replacement_limit,
        "built": found.built,
        **{kind.value: found.count(kind) for kind in (Kind.MISSING, Kind.EXTRA, Kind.REPLACED)},
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {name: getattr(difference, name) for name in _COLUMNS}


def _print_json(found: "OrderReport") -> None:
    """One object, written as its differences are read: there may be as many as devices."""
    head = {
        "agrees": found.agrees,
        "work_order": order_answers.order_json(found.order),
        "numbers": _numbers(found),
        "counts": dict(sorted(found.counts.items())),
    }
    typer.echo(json.dumps(head, indent=2).removesuffix("\n}") + ',\n  "differences": [', nl=False)
    for number, difference in enumerate(found.differences()):
        typer.echo((",\n    " if number else "\n    ") + json.dumps(_difference_json(difference)), nl=False)
    typer.echo("\n  ]\n}")


def _csv_lines(found: "OrderReport") -> Iterator[bytes]:
    yield _csv_line(_COLUMNS)
    for difference in found.differences():
        cells = (getattr(difference, name) for name in _COLUMNS)
        yield _csv_line(["" if cell is None else harmless(str(cell)) for cell in cells])


def _csv_line(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _print(found: "OrderReport", out: Path | None) -> None:
    from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

    order_answers.print_order(found.order, as_json=False)
    numbers = _numbers(found).items()
    tables.print_facts((name.replace("_", " "), str(number)) for name, number in numbers if number is not None)
    shown = list(itertools.islice(found.differences(), _SHOWN + 1))
    if shown:
        tables.print_rows(
            ("kind", "registration ID", "serial number", "what", "line of --built"),
            ([*_texts(difference), str(difference.line or "")] for difference in shown[:_SHOWN]),
        )
    if len(shown) > _SHOWN:
        typer.echo(f"the first {_SHOWN} only; " + (f"{out} has all" if out else "--out FILE writes all"))
    if found.agrees:
        typer.secho("order, records and lists agree", fg=typer.colors.GREEN)
    else:
        typer.secho("there are differences", fg=typer.colors.RED)


def _texts(difference: Difference) -> tuple[str, str, str, str]:
    return difference.kind.value, difference.registration_id, difference.serial_number, difference.detail
