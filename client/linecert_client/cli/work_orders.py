"""`linecert work-order`: what a planner does with the orders of a line."""

import itertools
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import typer

from linecert_client.cli import options, order_answers, order_files, order_report
from linecert_client.cli.answers import print_json
from linecert_client.cli.session import session
from linecert_client.errors import ASK_PLANNER, LinecertError

_LARGEST_PAGE: Final = 1000

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The order's name, as the MES has it.")]
Quantity: TypeAlias = Annotated[
    int | None,
    typer.Option("--quantity", min=1, max=options.LARGEST_COUNT, help="How many devices may get a certificate."),
]
Limit: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--replacement-limit", min=0, max=options.LARGEST_COUNT, help="How many certificates may be replaced."
    ),
]
Lines: TypeAlias = Annotated[
    list[str] | None, typer.Option("--line", help="A line that may make its devices; may be repeated.")
]
Patterns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--pattern", help="Registration IDs that may be made, with * and ?; may be repeated."),
]

orders = typer.Typer(
    name="work-order",
    help="Work orders: how many devices may get a certificate, and which.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module, and of those that read files."""
    orders.command("open")(open_order)
    orders.command("raise")(raise_order)
    for command in (update, close, reopen, show):
        orders.command()(command)
    orders.command("list")(list_orders)
    orders.command()(order_files.expect)
    orders.command()(order_report.report)
    app.add_typer(orders)


def open_order(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The order's name, as the MES has it.")] = None,
    *,
    quantity: Quantity = None,
    profile: options.Profile = None,
    line: Lines = None,
    pattern: Patterns = None,
    replacement_limit: Limit = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", exists=True, dir_okay=False, help="Open all orders of this file instead.")
    ] = None,
    ignore_other_columns: order_files.IgnoreOtherColumns = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Open a work order, or all orders of a CSV that an MES exports. Repeating it changes nothing.

    The file's first line names its columns: name and quantity, and if wanted profile, lines, patterns and
    replacement_limit. Commas or semicolons part the cells; spaces or | part several lines or patterns in one.

    Nothing is sent while a line of the file is wrong. An order that the service refuses is named with its line, and
    the others are opened; the exit code is then that of the first one refused.
    """
    if csv:
        if name or quantity or profile or line or pattern or replacement_limit is not None:
            raise typer.BadParameter(
                "--csv holds all that is to be opened: leave out NAME and the options of one order"
            )
        order_files.open_all(context, csv, deadline=deadline, other_columns=ignore_other_columns, as_json=as_json)
        return
    if name is None or quantity is None:
        raise typer.BadParameter("give NAME and --quantity, or --csv")
    with session(context, as_json=as_json) as client:
        order = client.open_work_order(
            name,
            quantity,
            profile=profile,
            lines=line or (),
            registration_id_patterns=pattern or (),
            replacement_limit=replacement_limit or 0,
            deadline=options.seconds(deadline),
        )
    order_answers.print_order(order, as_json=as_json)


def raise_order(
    context: typer.Context,
    name: Name,
    *,
    quantity: Annotated[
        int,
        typer.Option(
            "--quantity", min=1, max=options.LARGEST_COUNT, help="The new quantity, in all and not in addition."
        ),
    ],
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Raise the quantity of a work order; one that is as high already stays as it is."""
    seconds = options.seconds(deadline)
    with session(context, as_json=as_json) as client:
        order = client.get_work_order(name, deadline=seconds)
        if quantity < order.quantity:
            raise LinecertError(
                f"work order {name} has a quantity of {order.quantity}, which is more: lower it with "
                "`linecert work-order update`",
                action=ASK_PLANNER,
            )
        if quantity > order.quantity:
            order = client.update_work_order(name, quantity=quantity, etag=order.etag, deadline=seconds)
    order_answers.print_order(order, as_json=as_json)


def update(
    context: typer.Context,
    name: Name,
    *,
    quantity: Quantity = None,
    replacement_limit: Limit = None,
    line: Lines = None,
    any_line: Annotated[bool, typer.Option("--any-line", help="Let every line make its devices.")] = False,
    pattern: Patterns = None,
    any_pattern: Annotated[bool, typer.Option("--any-pattern", help="Let every registration ID be made.")] = False,
    etag: Annotated[
        str | None, typer.Option("--etag", help="Of the order as `show` printed it: change no other version.")
    ] = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Change a work order; what is not given stays. Lines and patterns take the place of those that there are."""
    if (line and any_line) or (pattern and any_pattern):
        raise typer.BadParameter("--any-line excludes --line, and --any-pattern excludes --pattern")
    lines = () if any_line else line
    patterns = () if any_pattern else pattern
    if quantity is None and replacement_limit is None and lines is None and patterns is None:
        raise typer.BadParameter("give what is to be changed")
    with session(context, as_json=as_json) as client:
        order = client.update_work_order(
            name,
            quantity=quantity,
            replacement_limit=replacement_limit,
            lines=lines,
            registration_id_patterns=patterns,
            etag=etag,
            deadline=options.seconds(deadline),
        )
    order_answers.print_order(order, as_json=as_json)


def close(context: typer.Context, name: Name, deadline: options.Deadline = None, as_json: options.Json = False) -> None:
    """Close a work order: it takes no new device. Certificates may still be replaced."""
    with session(context, as_json=as_json) as client:
        order = client.close_work_order(name, deadline=options.seconds(deadline))
    order_answers.print_order(order, as_json=as_json)


def reopen(
    context: typer.Context, name: Name, deadline: options.Deadline = None, as_json: options.Json = False
) -> None:
    """Open a closed work order again."""
    with session(context, as_json=as_json) as client:
        order = client.reopen_work_order(name, deadline=options.seconds(deadline))
    order_answers.print_order(order, as_json=as_json)


def show(context: typer.Context, name: Name, deadline: options.Deadline = None, as_json: options.Json = False) -> None:
    """Show a work order with its counts."""
    with session(context, as_json=as_json) as client:
        order = client.get_work_order(name, deadline=options.seconds(deadline))
    order_answers.print_details(order, as_json=as_json)


def list_orders(
    context: typer.Context,
    *,
    state: Annotated[Literal["open", "closed"] | None, typer.Option("--state", help="Of the order.")] = None,
    line: Annotated[str | None, typer.Option("--line", help="That may make its devices.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=options.LARGEST_COUNT, help="How many at most.")] = 100,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """List the work orders. A station sees the ones that it may issue for."""
    with session(context, as_json=as_json) as client:
        pages = client.list_work_orders(
            state=state, line=line, page_size=min(limit, _LARGEST_PAGE), deadline=options.seconds(deadline)
        )
        found = list(itertools.islice(itertools.chain.from_iterable(pages), limit))
    if as_json:
        print_json([order_answers.order_json(order) for order in found])
    else:
        order_answers.print_orders(found)
