"""`linecert-server station`."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from linecert import contract
from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.installation import chains, change_station
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.policy.identity import StationCas
from linecert_service.policy.station_entry import RoleName
from linecert_service.policy.stations import Station, Stations

Name = Annotated[str, typer.Argument(metavar="NAME", help="The caller's name in stations.toml.")]

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
    print(f"Made {folder}: give it to {name} as it is. A running server admits it within seconds.")


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


@app.command()
def disable(name: Name, config_file: options.Config = options.CONFIG_DEFAULT) -> None:
    """Lock a caller out: a running server refuses it within seconds, also on a connection that is open.

    Example: linecert-server station disable ict-07 --config /etc/linecert/linecert.toml
    """
    change_station.set_enabled(config.load(config_file), name, enabled=False)
    print(f"{name} is disabled.")


@app.command()
def enable(name: Name, config_file: options.Config = options.CONFIG_DEFAULT) -> None:
    """Let a caller in again that was disabled.

    Example: linecert-server station enable ict-07 --config /etc/linecert/linecert.toml
    """
    change_station.set_enabled(config.load(config_file), name, enabled=True)
    print(f"{name} is enabled.")


@app.command()
def rotate(
    name: Name,
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Go on accepting the old certificate; revoke it when the caller is over.")
    ] = False,
) -> None:
    """Make a new key and certificate for a caller, with the station CA's key in offline/, and revoke the old one.

    With --keep-old the line does not stop: bring the new files to the caller, then run the command that is printed.

    Example: linecert-server station rotate ict-07 --keep-old --config /etc/linecert/linecert.toml
    """
    made = change_station.rotate(config.load(config_file), name, options.now(), keep_old=keep_old)
    print(f"Made {made.folder}: bring its certificate.pem and key.pem to {name}.")
    if made.revoked:
        print(f"The old certificate {made.old_serial:x} is revoked: {name} is refused until it has the new one.")
    elif made.old_serial is not None:
        print(f"Once {name} uses it: linecert-server station revoke {name} {made.old_serial:x}")


@app.command()
def revoke(
    name: Name,
    serials: Annotated[
        list[str],
        typer.Argument(metavar="SERIAL...", help="Serial numbers in hex, as `openssl x509 -noout -serial` shows them."),
    ],
    config_file: options.Config = options.CONFIG_DEFAULT,
) -> None:
    """Refuse certificates of a caller from now on; it needs no CA key.

    Example: linecert-server station revoke ict-07 5f0c4d --config /etc/linecert/linecert.toml
    """
    change_station.revoke(config.load(config_file), name, serials)
    print(f"A running server refuses them within seconds. A new certificate: linecert-server station rotate {name}")


def _row(station: Station) -> dict[str, object]:
    end = station.valid_until
    return {
        "name": station.name,
        "line": station.line,
        "roles": sorted(map(contract.role_name, station.roles)),
        "profiles": list(station.profiles),
        "enabled": station.enabled,
        "valid_until": None if end is None else chains.utc(datetime.fromtimestamp(end, UTC)),
        "revoked_serials": [f"{serial:x}" for serial in sorted(station.revoked_serials)],
        "identity": {"kind": station.identity.kind, "value": station.identity.value},
    }


def _table(rows: list[dict[str, object]]) -> Table:
    columns = ("name", "line", "roles", "profiles", "enabled", "identity")
    table = Table(*columns[:-1], Column(columns[-1], overflow="fold"))
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
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
