"""Spans of time as people write them, with the units of linecert.toml: `30s`, `15m`, `12h`, `365d`, `2w`, `5y`."""

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Final

_FORM: Final = re.compile(r"([0-9]{1,9})([smhdwy])")
_UNITS: Final = MappingProxyType(
    {
        "s": timedelta(seconds=1),
        "m": timedelta(minutes=1),
        "h": timedelta(hours=1),
        "d": timedelta(days=1),
        "w": timedelta(weeks=1),
        "y": timedelta(days=365),
    }
)


def parse(text: str) -> timedelta:
    """The span that `text` states.

    Raises:
        ValueError: it is not a whole number followed by one of s, m, h, d, w, y, or is zero or too long.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError("expected a whole number and a unit, such as 30s, 15m, 12h, 365d, 2w or 5y (of 365 days)")
    try:
        span = _UNITS[match[2]] * int(match[1])
    except OverflowError:
        raise ValueError("the time is too long") from None
    if not span:
        raise ValueError("the time must be longer than zero")
    return span


def text(span: timedelta) -> str:
    """A span of whole seconds, as `parse` reads it."""
    seconds = int(span.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if not seconds % int(_UNITS[unit].total_seconds()))
    return f"{seconds // int(_UNITS[unit].total_seconds())}{unit}"
