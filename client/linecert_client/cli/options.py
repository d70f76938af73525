"""The options that several commands share, and how their texts are read. A text that cannot be read is wrong usage."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from linecert_client import durations
from linecert_client.results import ReplacementReason

LARGEST_COUNT: Final = (1 << 63) - 1
"""What an int64 of the contract holds."""

_TIME_HELP: Final = "a date, a time (2026-01-31T06:00:00Z; UTC unless it says otherwise), or an age such as 12h"


def read_duration(text: str) -> timedelta:
    """Read `30s`, `12h`, `365d`."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_time(text: str) -> datetime:
    """Read a date, a time, or an age before now."""
    try:
        return datetime.now(UTC) - durations.parse(text)
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected {_TIME_HELP}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def read_request_id(text: str) -> str:
    """Read a UUID in the one form that the contract takes."""
    try:
        if str(uuid.UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise typer.BadParameter("expected a UUID in lower case, as `uuidgen` makes it")


def read_attributes(texts: Sequence[str]) -> dict[str, str]:
    """Read `key=value`, each key once."""
    attributes: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter("expected KEY=VALUE", param_hint="--attribute")
        if key in attributes:
            raise typer.BadParameter("a key is given twice", param_hint="--attribute")
        attributes[key] = value
    return attributes


def seconds(deadline: timedelta | None) -> float | None:
    """A deadline as the client takes it."""
    return deadline.total_seconds() if deadline else None


Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Out: TypeAlias = Annotated[Path, typer.Option("--out", file_okay=False, help="The folder to write to.")]
Deadline: TypeAlias = Annotated[
    timedelta | None,
    typer.Option("--deadline", parser=read_duration, metavar="TIME", help="How long to try, such as 30s."),
]
Profile: TypeAlias = Annotated[str | None, typer.Option("--profile", help="The certificate profile.")]
WorkOrder: TypeAlias = Annotated[str | None, typer.Option("--work-order", help="The work order.")]
Lot: TypeAlias = Annotated[str | None, typer.Option("--lot", help="The lot within the work order.")]
RegistrationId: TypeAlias = Annotated[str | None, typer.Option("--registration-id", help="The device's ID.")]
Attributes: TypeAlias = Annotated[
    list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE", help="To be traced; may be repeated.")
]
Validity: TypeAlias = Annotated[
    timedelta | None,
    typer.Option("--validity", parser=read_duration, metavar="TIME", help="Of the certificate, such as 365d or 5y."),
]
Reason: TypeAlias = Annotated[
    ReplacementReason | None, typer.Option("--reason", help="Why the device gets another certificate.")
]
RequestId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--request-id",
        parser=read_request_id,
        metavar="UUID",
        help="Repeat the request of this ID, or make a new one under it; without it, the journal beside the output "
        "decides.",
    ),
]
ValidateOnly: TypeAlias = Annotated[
    bool, typer.Option("--validate-only", help="Run the service's checks; issue and write nothing.")
]
Since: TypeAlias = Annotated[
    datetime | None, typer.Option("--since", parser=read_time, metavar="TIME", help=f"From: {_TIME_HELP}.")
]
Until: TypeAlias = Annotated[
    datetime | None, typer.Option("--until", parser=read_time, metavar="TIME", help="Before, written as --since.")
]
