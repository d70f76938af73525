"""`linecert list`, `show` and `issuers`: what was issued, and by whom it can be."""

import itertools
import json
from typing import Annotated, Final

import typer

from linecert_client.cli import filters, options
from linecert_client.cli.answers import issuers_json, print_json
from linecert_client.cli.session import session
from linecert_client.following import following
from linecert_client.records import issued_json

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
    registration_id_prefix: filters.RegistrationIdPrefix = None,
    station: filters.Station = None,
    line: filters.Line = None,
    work_order: options.WorkOrder = None,
    lot: options.Lot = None,
    profile: options.Profile = None,
    public_key_sha256: filters.PublicKey = None,
    attribute: filters.Attributes = None,
    state: filters.StateOf = None,
    since: options.Since = None,
    until: options.Until = None,
    after_log_index: filters.AfterLogIndex = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=options.LARGEST_COUNT, help="How many at most.")] = 100,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Print JSON lines, oldest first: what comes from now on, or after a log index."),
    ] = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """List what was issued, newest first. A station sees its own, planners and auditors all."""
    criteria = filters.read(
        registration_id=registration_id,
        registration_id_prefix=registration_id_prefix,
        station=station,
        line=line,
        work_order=work_order,
        lot=lot,
        profile=profile,
        public_key_sha256=public_key_sha256,
        attribute=attribute,
        state=state,
        since=since,
        until=until,
        after_log_index=after_log_index,
    )
    with session(context, as_json=as_json) as client:
        if follow:
            for issued in following(client, criteria, deadline=options.seconds(deadline)):
                typer.echo(json.dumps(issued_json(issued)))
            return
        pages = client.list(criteria, page_size=min(limit, _LARGEST_PAGE), deadline=options.seconds(deadline))
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
        device = client.get(
            serial_number=serial_number, registration_id=registration_id, deadline=options.seconds(deadline)
        )
        if as_json:
            print_json(issued_json(device))
            return
        from linecert_client.cli import tables  # noqa: PLC0415 - as above

        tables.print_record(device)


def issuers(context: typer.Context, deadline: options.Deadline = None, as_json: options.Json = False) -> None:
    """Show the CAs that device certificates end in, your profiles, and who the service takes you for."""
    with session(context, as_json=as_json) as client:
        answer = client.issuers(deadline=options.seconds(deadline))
        if as_json:
            print_json(issuers_json(answer))
            return
        from linecert_client.cli import tables  # noqa: PLC0415 - as above

        tables.print_issuers(answer)
