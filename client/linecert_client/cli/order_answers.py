"""How work orders are printed: for people, or as JSON for scripts."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import typer

from linecert_client.cli.answers import print_json
from linecert_client.cli.report import printable
from linecert_client.records import json_value
from linecert_client.work_orders import WorkOrder


def order_json(order: WorkOrder) -> dict[str, Any]:
    """An order for scripts."""
    return {field.name: json_value(getattr(order, field.name)) for field in dataclasses.fields(order)}


def print_order(order: WorkOrder, *, as_json: bool) -> None:
    """One line about an order, after it was opened or changed."""
    if as_json:
        print_json(order_json(order))
        return
    expected = f", {order.expected_devices} expected by name" if order.expected_devices else ""
    typer.echo(printable(f"{order.name}: {order.state}, {order.issued} of {order.quantity} issued{expected}"))


def print_details(order: WorkOrder, *, as_json: bool) -> None:
    """All of an order, a line a field."""
    if as_json:
        print_json(order_json(order))
        return
    from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

    tables.print_facts(
        (
            ("work order", order.name),
            ("state", order.state),
            ("issued", f"{order.issued} of {order.quantity}"),
            ("replacements", f"{order.replacements} of {order.replacement_limit}"),
            ("profile", order.profile),
            ("lines", " ".join(order.lines) or "any"),
            ("patterns", " ".join(order.registration_id_patterns) or "any"),
            ("expected", str(order.expected_devices) if order.expected_devices else "any device"),
            ("opened", tables.time_text(order.open_time)),
            ("closed", tables.time_text(order.close_time)),
            ("etag", order.etag),
        )
    )


def print_orders(found: Sequence[WorkOrder]) -> None:
    """A line an order."""
    from linecert_client.cli import tables  # noqa: PLC0415 - as above

    tables.print_rows(
        ("work order", "state", "issued", "quantity", "expected", "replacements", "profile", "lines", "opened"),
        (
            (
                order.name,
                order.state,
                str(order.issued),
                str(order.quantity),
                str(order.expected_devices or ""),
                f"{order.replacements} of {order.replacement_limit}",
                order.profile,
                " ".join(order.lines) or "any",
                tables.time_text(order.open_time),
            )
            for order in found
        ),
    )
