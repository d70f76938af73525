"""`linecert-server serve`."""

from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.setting_types import LogLevel


def serve(
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    log_level: Annotated[
        LogLevel | None, typer.Option(help="The least that is logged.", show_default="log_level of the settings")
    ] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C; what is under way is finished first.

    Example: linecert-server serve --config /etc/linecert/linecert.toml
    """
    # Here, since the other commands need neither gRPC nor the store.
    from linecert_service.bootstrap import serve as run  # noqa: PLC0415

    settings = config.load(config_file)
    if log_level is not None:
        settings = settings.model_copy(update={"log_level": log_level})
    raise typer.Exit(run(settings))
