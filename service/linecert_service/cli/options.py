"""Options that several commands take."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from linecert_service.domain.clock import SystemClock

Config = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The installation's linecert.toml.", envvar="LINECERT_CONFIG"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]

CONFIG_DEFAULT: Final = Path("linecert.toml")


def now() -> datetime:
    """The time of the machine."""
    return datetime.fromtimestamp(SystemClock().time(), UTC)
