"""Spans of time as people write them: `30s`, `15m`, `12h`, `365d`, `2w`."""

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Final

_FORM: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS: Final = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"})


def parse(text: str) -> timedelta:
    """The span that `text` states.

    Raises:
        ValueError: it is not a whole number followed by one of s, m, h, d, w, or is zero or too long.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError("expected a whole number and a unit, such as 30s, 15m, 12h, 365d or 2w")
    try:
        span = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError("the time is too long") from None
    if not span:
        raise ValueError("the time must be longer than zero")
    return span
