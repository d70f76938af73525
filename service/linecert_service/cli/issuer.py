"""`linecert-server issuer`: the CAs that sign device certificates, and how their keys and chains get there."""

import typer

from linecert_service.cli.issuer_install import install
from linecert_service.cli.issuer_request import request
from linecert_service.cli.issuer_self_test import self_test
from linecert_service.cli.issuer_show import show
from linecert_service.cli.issuer_sign_request import sign_request
from linecert_service.cli.issuer_switch import switch

app = typer.Typer(name="issuer", help="The CAs that sign device certificates.", no_args_is_help=True)

app.command()(request)
app.command()(sign_request)
app.command()(install)
app.command()(switch)
app.command()(show)
app.command()(self_test)
