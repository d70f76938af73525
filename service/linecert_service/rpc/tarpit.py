"""Answers that are held back from callers who are refused again and again without a pause.

A refusal costs the service about a quarter of a certificate, and nothing to whoever repeats it at once: a caller that
floods with what is refused would take the time that the others need. So each refusal beyond a rate that nobody needs
comes a little later than the one before. A call that is held costs memory alone, its caller does not repeat it
meanwhile, and with many of them the flow control of HTTP/2 holds back the rest.
"""

import asyncio
from collections.abc import Callable
from typing import Final

REFUSALS_A_SECOND: Final = 100
"""Of one caller; more of them are held back."""
AT_ONCE: Final = 200
"""So many may come together after a while without any."""
LONGEST_SECONDS: Final = 5.0
MOST_HELD: Final = 2_000
"""Calls of all callers; what comes beyond is answered at once, since memory is not to be had without end either."""


class Tarpit:
    """Tells how long a refusal is held back, by the generic cell rate algorithm (ITU-T I.371). For the event loop.

    Args:
        monotonic: seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._held = 0

    async def hold(self, caller: str, left: float) -> None:
        """Wait before a refusal leaves.

        Args:
            caller: who is refused: a station's name, or what stands for all unknown callers.
            left: seconds that the call has left; half of them at most are waited for, so that the answer is read.
        """
        seconds = min(self._late(caller), LONGEST_SECONDS, left / 2)
        if seconds <= 0 or self._held >= MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._held -= 1

    def _late(self, caller: str) -> float:
        """Count a refusal; returns by how many seconds it comes too early, 0 or less where it does not."""
        now = self._monotonic()
        due = max(self._due.get(caller, now), now) + 1 / REFUSALS_A_SECOND
        # What is due much later than it can be held back would only keep a caller waiting that has stopped.
        self._due[caller] = min(due, now + (AT_ONCE / REFUSALS_A_SECOND) + LONGEST_SECONDS)
        return due - now - AT_ONCE / REFUSALS_A_SECOND
