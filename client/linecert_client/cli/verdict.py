"""What `linecert verify` says at the end."""

import dataclasses

import typer

from linecert_client.audit.findings import Report
from linecert_client.cli import report as reports
from linecert_client.cli.answers import print_json


def give(report: Report, *, as_json: bool) -> None:
    """Print the report.

    Raises:
        typer.Exit: with code 8, when something was found.
    """
    if as_json:
        found = {
            "findings": [dataclasses.asdict(finding) for finding in report.findings.kept],
            "more_findings": report.findings.more,
        }
        print_json({"verified": report.verified, **dataclasses.asdict(report), **found})
    else:
        _print(report)
    if not report.verified:
        raise typer.Exit(reports.NOT_VERIFIED)


def _print(report: Report) -> None:
    for note in report.notes:
        typer.echo(f"note: {reports.printable(note)}")
    for finding in report.findings.kept:
        typer.secho(f"{finding.code}: ", fg=typer.colors.RED, bold=True, nl=False)
        typer.echo(reports.printable(finding.message))
    if report.findings.more:
        typer.echo(f"and {report.findings.more} more findings")
    covered = (
        f"{reports.printable(report.origin) or 'no genuine checkpoint'}, {report.size} leaves; leaves read: "
        f"{report.leaves}, certificates among them: {report.certificates}, their signatures: "
        f"{'verified' if report.issuers_checked else 'not verified'}, checkpoints compared: {report.checkpoints}"
    )
    if report.verified:
        typer.secho("verified: ", fg=typer.colors.GREEN, bold=True, nl=False)
    else:
        typer.secho("NOT VERIFIED: ", fg=typer.colors.RED, bold=True, nl=False)
    typer.echo(covered)
