"""Waiting for what a test cannot be told of."""

import asyncio
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 0.005


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what conditions look at are numbers and lists
            await asyncio.sleep(_PAUSE_SECONDS)
