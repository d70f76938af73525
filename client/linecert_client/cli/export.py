"""`linecert export`: what was issued, or the log, into files."""

import enum
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from google.protobuf.json_format import MessageToDict

from linecert_client.cli import filters, options, progress
from linecert_client.cli.answers import print_json
from linecert_client.cli.session import session
from linecert_client.client import Client
from linecert_client.exports import formats
from linecert_client.exports.folder import export_folder
from linecert_client.exports.partial import Source, discard, export_lines
from linecert_client.filters import EVERYTHING, Filter


class FormatName(enum.StrEnum):
    """Of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    PEM = "pem"
    LOG = "log"


_LINES: Final = {
    FormatName.JSONL: formats.JSONL,
    FormatName.CSV: formats.CSV,
    FormatName.LOG: formats.LOG,
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(export)


def export(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", help="The file to write; with --format pem the folder.")],
    form: Annotated[FormatName, typer.Option("--format", help="Of the export.")] = FormatName.JSONL,
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
    restart: Annotated[bool, typer.Option("--restart", help="Forget an export that was interrupted here.")] = False,
    deadline: options.Deadline = None,
    as_json: options.Json = False,
) -> None:
    """Export what was issued, oldest first, or with --format log the whole log for `linecert verify --log`.

    After an interruption the same command goes on where it was; the file has its name only when it is complete.

    jsonl: one JSON object a line, as `list --json` has it. csv: one row a certificate; cells that a spreadsheet would
    take for a formula begin with an apostrophe. pem: a folder with <id>.pem, and <id>~<generation>.pem for a
    replacement. log: {"i":INDEX,"leaf":{...},"cert":"BASE64 OF DER"} a line, without "cert" for an event, and
    {"checkpoint":"SIGNED NOTE"} at the end.
    """
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
    if form is FormatName.LOG and criteria != EVERYTHING:
        raise typer.BadParameter("--format log is the whole log: a part of it could not be verified; give no filter")
    with session(context, as_json=as_json) as client:
        source = _source(client, form, criteria, options.seconds(deadline))
        question = {"format": form.value, "filter": MessageToDict(criteria.to_proto())}
        with progress.bar("exporting", _total(client, form), as_json=as_json) as done:
            if form is FormatName.PEM:
                written = export_folder(out, question, source, done, restart=restart)
            else:
                if restart:
                    discard(out)
                written = export_lines(out, _LINES[form], question, source, done)
    if as_json:
        print_json({"format": form.value, "out": str(out), "written": written})
    else:
        typer.echo(f"{written} {'lines' if form is FormatName.LOG else 'certificates'} -> {out}")


def _source(client: Client, form: FormatName, criteria: Filter, deadline: float | None) -> Source:
    def log(after: int | None) -> Iterable[Any]:
        return client.export_log(0 if after is None else after + 1, deadline=deadline)

    def issued(after: int | None) -> Iterable[Any]:
        # The place in an interrupted export lies beyond the one that the filter names.
        narrowed = criteria if after is None else replace(criteria, after_log_index=after)
        return client.export(narrowed, deadline=deadline)

    return log if form is FormatName.LOG else issued


def _total(client: Client, form: FormatName) -> int | None:
    """How many lines there will be, as far as that is known; it is for the bar alone, and not verified."""
    if form is not FormatName.LOG:
        return None
    lines = client.checkpoint().split("\n")
    return int(lines[1]) + 1 if len(lines) > 1 and lines[1].isdecimal() else None
