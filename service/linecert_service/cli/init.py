"""`linecert-server init`."""

from pathlib import Path
from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.installation.authorities import CaKeyType
from linecert_service.installation.init import InitOptions, create, default_name


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it must be new or empty.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the installation: it names CAs, log and callers.", show_default="host name"
        ),
    ] = None,
    key_type: Annotated[CaKeyType, typer.Option(help="Keys of the device root and issuer.")] = "p256",
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where callers reach the server.")
    ] = config.DEFAULT_LISTEN,
    metrics_listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Prometheus metrics, plain HTTP.")
    ] = config.DEFAULT_METRICS_LISTEN,
    health_listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="gRPC health without TLS.")
    ] = config.DEFAULT_HEALTH_LISTEN,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A further DNS name or IP address under which callers reach the server; repeatable."
        ),
    ] = None,
    subject_organization: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Organization (O) in the names of the CAs.")
    ] = None,
) -> None:
    """Make a working installation in DIR: CAs, keys, settings, and three callers to start with.

    Example: linecert-server init /etc/linecert --name factory-7 --host line-ca.example
    """
    chosen = InitOptions(
        name=default_name() if name is None else name,
        key_type=key_type,
        listen=listen,
        metrics_listen=metrics_listen,
        health_listen=health_listen,
        hosts=tuple(host or ()),
        organization=subject_organization,
    )
    layout = create(folder, chosen, options.now())
    console = output.console(soft_wrap=True)
    console.print(f"Made the installation {chosen.name} in {folder}.")
    console.print(f"  start it          linecert-server serve --config {layout.settings}")
    console.print(f"  station-01        linecert -C {layout.client('station-01')} sign DEVICE.csr.pem --out out/")
    console.print(f"  take away         {layout.offline} holds the CA keys: keep it where no server can reach it")
