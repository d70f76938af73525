"""`linecert-server issuer switch`."""

import contextlib
from datetime import datetime
from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.installation import chains
from linecert_service.installation.switch_issuer import switch as switch_issuer


def _time(text: str) -> datetime:
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and not moment.microsecond:
            return moment
    raise typer.BadParameter("must be a time with whole seconds and Z, such as 2027-01-01T00:00:00Z")


def switch(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="The profile, as linecert.toml names it.")],
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    at: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=_time, help="When, such as 2027-01-01T00:00:00Z.", show_default="now"),
    ] = None,
) -> None:
    """Have the issuer sign that is staged as `next_issuer` of a profile, without a restart.

    Requests that are under way finish with the issuer before, and repetitions get the chain of their first answer.

    Example: linecert-server issuer switch device --at 2027-01-01T00:00:00Z --config /etc/linecert/linecert.toml
    """
    switched = switch_issuer(config.load(config_file), profile, options.now(), at)
    if switched.at is None:
        print(f"{switched.new} signs for {profile} in place of {switched.old}.")
        print("A running server switches within seconds, and says `issuer switched` in its log.")
    else:
        print(f"{switched.new} signs for {profile} in place of {switched.old} from {chains.utc(switched.at)} on.")
        print("A running server reads this within seconds, and says `reloaded` in its log.")
