"""`linecert-server server-certificate`."""

from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.installation import chains, server_certificate

app = typer.Typer(
    name="server-certificate", help="The certificate that the server shows its callers.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """With a callback typer keeps the command's name, although there is only one."""


@app.command()
def renew(
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A DNS name or IP address to add to those it has; repeatable."),
    ] = None,
) -> None:
    """Make a new server certificate for another year, with the server CA's key in offline/.

    Example: linecert-server server-certificate renew --config /etc/linecert/linecert.toml
    """
    settings = config.load(config_file)
    certificate = server_certificate.renew(settings, tuple(host or ()), options.now())
    end = chains.utc(certificate.not_valid_after_utc)
    print(f"Made {settings.server.tls_certificate}, valid until {end}. A running server uses it within seconds.")
