"""How something that takes long says how far it is."""

from collections.abc import Callable

Progress = Callable[[int], None]
"""Is told how many more are done."""


def silent(_: int) -> None:
    """For callers that do not want to know."""
