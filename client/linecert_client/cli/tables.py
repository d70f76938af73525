"""Tables for people. Imported only where one is printed."""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from linecert_client.log_results import Event, SummaryRow
from linecert_client.results import IssuedCertificate, IssuedDevice, Issuers

_BAR_WIDTH: Final = 30
_ALWAYS_LISTED: Final = 3
_GAP: Final = 2  # between columns: padding, and the box
_PIPE_WIDTH: Final = 240  # rich takes a pipe for 80 columns and would cut serial numbers


def print_list(found: Sequence[IssuedCertificate]) -> None:
    """One line a certificate. A serial number stays whole: what there is no room for is left out, the last first."""
    columns = (
        ("issued", [time_text(issued.issue_time) for issued in found]),
        ("registration ID", [issued.registration_id for issued in found]),
        ("serial number", [issued.serial_number for issued in found]),
        ("state", [issued.state for issued in found]),
        ("station", [issued.station for issued in found]),
        ("line", [issued.line for issued in found]),
        ("profile", [issued.profile for issued in found]),
        ("work order", [issued.work_order for issued in found]),
    )
    console = _console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    room = console.width
    for number, (heading, cells) in enumerate(columns):
        width = max(map(len, (heading, *cells)))
        room -= width + (_GAP if number else 0)
        if room < 0 and number >= _ALWAYS_LISTED:
            break
        table.add_column(heading, overflow="fold", min_width=width if heading == "serial number" else None)
    for row in zip(*(cells for _, cells in columns[: len(table.columns)]), strict=True):
        _row(table, *row)
    console.print(table)


def print_record(device: IssuedDevice) -> None:
    """One line a field that is set."""
    print_facts(_facts(device))


def print_issuers(issuers: Issuers) -> None:
    """Who is asking, the profiles, and the CA certificates."""
    line = f" on line {issuers.line}" if issuers.line else ""
    _print(Text(f"the service takes you for {issuers.station or 'nobody by name'}{line}"))
    profiles = _table("profile", "validity", "at most", "key types", "issuer")
    for profile in issuers.profiles:
        _row(
            profiles,
            profile.name,
            _span(profile.validity),
            _span(profile.max_validity),
            ", ".join(profile.key_types),
            profile.issuer_certificate_sha256[:16],
        )
    chains = _table("issuer", "CA certificate", "valid until")
    for chain in issuers.chains:
        for der in (*chain.intermediates, chain.root):
            certificate = x509.load_der_x509_certificate(der)
            _row(
                chains,
                chain.issuer_certificate_sha256[:16],
                certificate.subject.rfc4514_string(),
                time_text(certificate.not_valid_after_utc),
            )
    _print(profiles)
    _print(chains)


def print_summary(rows: Sequence[SummaryRow], by: str) -> None:
    """One line a span and value, with a bar as long as its share of the largest."""
    table = _table("from", by.replace("-", " "), "issued", "", "replacements", "rejected")
    largest = max((row.issued for row in rows), default=0)
    for row in rows:
        bar = "\N{FULL BLOCK}" * round(_BAR_WIDTH * row.issued / max(1, largest))
        figures = (str(row.issued), bar, str(row.replacements), str(row.rejected))
        _row(table, time_text(row.bucket_start), row.value, *figures)
    total = sum(row.issued for row in rows), sum(row.replacements for row in rows), sum(row.rejected for row in rows)
    table.add_section()
    _row(table, "total", "", str(total[0]), "", str(total[1]), str(total[2]))
    _print(table)


def print_events(found: Iterable[Event]) -> None:
    """One line an event."""
    table = _table("time", "kind", "reason", "station", "actor", "registration ID", "serial number", "detail")
    for event in found:
        detail = ", ".join(f"{key}={value}" for key, value in sorted(event.detail.items()))
        _row(
            table,
            time_text(event.time),
            event.kind,
            event.reason,
            event.station,
            event.actor,
            event.registration_id,
            event.serial_number,
            detail,
        )
    _print(table)


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table."""
    table = _table(*headings)
    for row in rows:
        _row(table, *row)
    _print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """One line a fact that has a value."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value:
            _row(table, name, value)
    _print(table)


def _facts(device: IssuedDevice) -> Iterable[tuple[str, str]]:
    facts = {
        "registration ID": device.registration_id,
        "serial number": device.serial_number,
        "state": device.state,
        "generation": str(device.generation),
        "replacement for": device.replacement_reason,
        "replaces": device.replaces_serial_number,
        "replaced by": device.replaced_by_serial_number,
        "issued": time_text(device.issue_time),
        "valid from": time_text(device.not_before),
        "valid until": time_text(device.not_after),
        "profile": device.profile,
        "station": device.station,
        "line": device.line,
        "work order": device.work_order,
        "lot": device.lot,
        "request ID": device.request_id,
        "log index": str(device.log_index),
        "certificate SHA-256": device.certificate_sha256,
        "public key SHA-256": device.public_key_sha256,
        "CSR SHA-256": device.csr_sha256,
        "issuer SHA-256": device.issuer_certificate_sha256,
    } | {f"attribute {key}": value for key, value in sorted(device.attributes.items())}
    return facts.items()


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    # Text, since rich would read square brackets in a str as markup.
    table.add_row(*(Text(cell) for cell in cells))


def _print(content: Table | Text) -> None:
    _console().print(content)


def _console() -> Console:
    # An identity such as urn:linecert:vm:station:x is no place for emoji.
    console = Console(emoji=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(emoji=False, width=_PIPE_WIDTH)


def time_text(time: datetime | None) -> str:
    """A time for people; empty for none."""
    return f"{time:%Y-%m-%d %H:%M:%SZ}" if time else ""


def _span(span: timedelta | None) -> str:
    return f"{span.total_seconds() / 86400:g} d" if span else ""
