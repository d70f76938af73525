"""`linecert-server station`."""

import json
from typing import Annotated

import typer
from rich.table import Column, Table

from linecert import contract
from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.policy.identity import StationCas
from linecert_service.policy.station_entry import RoleName
from linecert_service.policy.stations import Station, Stations

app = typer.Typer(name="station", help="The callers: stations, planners, auditors and operators.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The caller's name, as recorded with what it issues.")],
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    line: Annotated[
        str, typer.Option(metavar="LINE", help="Its manufacturing line; required for the role station.")
    ] = "",
    role: Annotated[
        list[RoleName] | None, typer.Option(help="What it may do; repeatable.", show_default="station")
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(metavar="PROFILE", help="A profile that it may ask for; repeatable.", show_default="the only one"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where it reaches the server.", show_default="from this machine"),
    ] = None,
) -> None:
    """Make a key and certificate for a caller, with the station CA's key in offline/, and list it in stations.toml.

    Example: linecert-server station add ict-07 --line line-3 --address line-ca.example:8443
    """
    settings = config.load(config_file)
    chosen = AddOptions(
        name=name,
        line=line,
        roles=tuple(map(str, role or (RoleName.STATION,))),
        profiles=tuple(profile or ()),
        address=address,
    )
    folder = add_station(settings, chosen, options.now())
    print(f"Made {folder}: give it to {name} as it is. Restart the server, which then admits it.")


@app.command("list")
def list_stations(config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False) -> None:
    """Show the callers of stations.toml.

    Example: linecert-server station list --config /etc/linecert/linecert.toml --json
    """
    settings = config.load(config_file)
    station_cas = StationCas.load(settings.server.client_ca)
    stations = Stations.load(settings.stations, station_cas=station_cas, profiles=settings.profiles)
    rows = [_row(station) for station in stations.by_name.values()]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        output.console().print(_table(rows))


def _row(station: Station) -> dict[str, object]:
    return {
        "name": station.name,
        "line": station.line,
        "roles": sorted(map(contract.role_name, station.roles)),
        "profiles": list(station.profiles),
        "enabled": station.enabled,
        "identity": {"kind": station.identity.kind, "value": station.identity.value},
    }


def _table(rows: list[dict[str, object]]) -> Table:
    table = Table("name", "line", "roles", "profiles", "enabled", Column("identity", overflow="fold"))
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    return table


def _cell(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value)
        case {"kind": kind, "value": text}:
            return f"{kind} {text}"
        case _:
            return str(value)
