"""`linecert stats` and `linecert events`: figures, and what happened beside issuing."""

import dataclasses
import enum
import itertools
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from linecert_client.cli import filters, options
from linecert_client.cli.answers import print_json
from linecert_client.cli.session import session
from linecert_client.records import json_value

_LARGEST_PAGE: Final = 1000
_DEFAULT_SPAN: Final = timedelta(days=1)


class By(enum.StrEnum):
    """What figures are broken down by."""

    STATION = "station"
    LINE = "line"
    WORK_ORDER = "work-order"
    PROFILE = "profile"


class BucketName(enum.StrEnum):
    """The spans of time that are counted."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(stats)
    app.command()(events)


def stats(
    context: typer.Context,
    *,
    since: options.Since = None,
    until: options.Until = None,
    by: Annotated[By, typer.Option("--by", help="What to break down by.")] = By.LINE,
    bucket: Annotated[BucketName, typer.Option("--bucket", help="The spans to count.")] = BucketName.HOUR,
    station: filters.Station = None,
    line: filters.Line = None,
    work_order: options.WorkOrder = None,
    profile: options.Profile = None,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Count what was issued, replaced and rejected; the last 24 hours when no time is given."""
    end = until or datetime.now(UTC)
    criteria = filters.read(
        since=since or end - _DEFAULT_SPAN,
        until=end,
        station=station,
        line=line,
        work_order=work_order,
        profile=profile,
    )
    with session(context, as_json=as_json) as client:
        rows = client.summarize(criteria, by=by.value, bucket=bucket.value, deadline=options.seconds(deadline))
    if as_json:
        print_json([_json(row) for row in rows])
        return
    from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

    tables.print_summary(rows, by.value)


def events(
    context: typer.Context,
    *,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Such as rejected; may be repeated.")] = None,
    station: Annotated[str | None, typer.Option("--station", help="The station that it is about.")] = None,
    registration_id: options.RegistrationId = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=options.LARGEST_COUNT, help="How many at most.")] = 100,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """List what happened beside issuing, newest first: rejections, replacements, work orders, epochs of the log."""
    with session(context, as_json=as_json) as client:
        pages = client.events(
            kinds=kind or (),
            station=station,
            registration_id=registration_id,
            since=since,
            until=until,
            page_size=min(limit, _LARGEST_PAGE),
            deadline=options.seconds(deadline),
        )
        found = list(itertools.islice(itertools.chain.from_iterable(pages), limit))
    if as_json:
        print_json([_json(event) for event in found])
        return
    from linecert_client.cli import tables  # noqa: PLC0415 - as above

    tables.print_events(found)


def _json(record: object) -> dict[str, object]:
    names = [field.name for field in dataclasses.fields(record)]  # type: ignore[arg-type]  # both are dataclasses
    return {name: json_value(getattr(record, name)) for name in names}
