"""`linecert list`, `show` and `issuers`: what was issued, and by whom it can be."""

import itertools
from datetime import timedelta
from typing import Annotated, Final

import typer

from linecert_client.cli import options
from linecert_client.cli.answers import issued_json, issuers_json, print_json
from linecert_client.cli.session import session

_LARGEST_PAGE: Final = 1000


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("list")(list_issued)
    app.command()(show)
    app.command()(issuers)


def list_issued(
    context: typer.Context,
    *,
    registration_id: options.RegistrationId = None,
    station: Annotated[str | None, typer.Option("--station", help="The station that asked.")] = None,
    line: Annotated[str | None, typer.Option("--line", help="The line of that station.")] = None,
    work_order: options.WorkOrder = None,
    lot: options.Lot = None,
    profile: options.Profile = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 100,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """List what was issued, newest first. A station sees its own, an auditor all."""
    with session(context, as_json=as_json) as client:
        pages = client.list(
            registration_id=registration_id,
            station=station,
            line=line,
            work_order=work_order,
            lot=lot,
            profile=profile,
            since=since,
            until=until,
            page_size=min(limit, _LARGEST_PAGE),
            deadline=_seconds(deadline),
        )
        found = list(itertools.islice(itertools.chain.from_iterable(page.issued for page in pages), limit))
        if as_json:
            print_json([issued_json(issued) for issued in found])
            return
        from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

        tables.print_list(found)


def show(
    context: typer.Context,
    *,
    serial_number: Annotated[str | None, typer.Argument(metavar="SERIAL", help="Hex, with or without colons.")] = None,
    registration_id: options.RegistrationId = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Show one certificate, by its serial number or as the newest of a device."""
    if (serial_number is None) == (registration_id is None):
        raise typer.BadParameter("give either a serial number or --registration-id")
    with session(context, as_json=as_json) as client:
        device = client.get(serial_number=serial_number, registration_id=registration_id, deadline=_seconds(deadline))
        if as_json:
            print_json(issued_json(device))
            return
        from linecert_client.cli import tables  # noqa: PLC0415 - as above

        tables.print_record(device)


def issuers(context: typer.Context, deadline: options.Deadline = None, as_json: options.Json = False) -> None:
    """Show the CAs that device certificates end in, your profiles, and who the service takes you for."""
    with session(context, as_json=as_json) as client:
        answer = client.issuers(deadline=_seconds(deadline))
        if as_json:
            print_json(issuers_json(answer))
            return
        from linecert_client.cli import tables  # noqa: PLC0415 - as above

        tables.print_issuers(answer)


def _seconds(deadline: timedelta | None) -> float | None:
    return deadline.total_seconds() if deadline else None
