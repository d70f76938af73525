"""What commands print for people."""

from typing import Any

from rich.console import Console


def console(**options: Any) -> Console:
    """A console that prints text as it is: no markup in brackets, and no emoji in `urn:linecert:vm:station:x`."""
    return Console(emoji=False, markup=False, highlight=False, **options)
