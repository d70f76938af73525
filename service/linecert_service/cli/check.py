"""`linecert-server check`."""

import contextlib
import json
from collections.abc import Iterable, Sequence

from rich.table import Column, Table
from rich.text import Text

from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.csr import deny_list
from linecert_service.installation import chains, report, trust
from linecert_service.installation.report import Finding
from linecert_service.policy.stations import Stations


def check(config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False) -> None:
    """Check settings, keys, chains, stations and store as `serve` does before it starts, and show what they are.

    Exit status 0: the server would start; 1: it would not, and the sentence on stderr says why and what to do.

    Example: linecert-server check --config /etc/linecert/linecert.toml
    """
    # Here, since most commands need no database.
    from linecert_service.cli import store_look  # noqa: PLC0415

    settings = config.load(config_file)
    with contextlib.closing(trust.check(settings, options.now().timestamp())) as trusted:
        stations = Stations.load(settings.stations, station_cas=trusted.station_cas, profiles=settings.profiles)
        denied = deny_list.read(settings.denied_keys) if settings.denied_keys else ()
        found = (*report.findings(settings, trusted, stations, len(denied)), store_look.look(settings, trusted))
    if as_json:
        print(_as_json(found, trusted.warnings))
    else:
        _show(found, trusted.warnings)


def _as_json(found: Iterable[Finding], warnings: Sequence[str]) -> str:
    rows = [{"checked": one.subject, "detail": one.detail, "valid_until": _end(one) or None} for one in found]
    return json.dumps({"checked": rows, "warnings": list(warnings)}, indent=2)


def _show(found: Iterable[Finding], warnings: Iterable[str]) -> None:
    console = output.console()
    table = Table("checked", Column("what it is", overflow="fold"), "valid until")
    for one in found:
        table.add_row(one.subject, one.detail, _end(one))
    console.print(table)
    for warning in warnings:
        console.print(Text("warning:", "yellow"), warning, soft_wrap=True)
    console.print("The server can start.")


def _end(finding: Finding) -> str:
    return chains.utc(finding.ends) if finding.ends else ""
