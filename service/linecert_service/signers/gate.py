"""The way to a signer that may be asked so often only: first come, first served, as many at once as it has threads.

A token bucket, emptied a little more slowly than the limit allows: in any ten seconds, the tokens that were there at
first and those that came meanwhile are no more than the limit.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from linecert_service.domain.errors import SignerBusy, SignerUnavailable

WINDOW_SECONDS: Final = 10.0
"""The vault counts in windows of ten seconds."""
BURST_SHARE: Final = 0.02
"""How much of the limit may be used at once, after a rest."""
REPLY_SECONDS: Final = 0.5
"""A signature is not begun later than this before the deadline of its call, so that the caller learns why."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 8.0
"""Between these a pause doubles each time that the first attempt after it fails; a signer may ask for a longer one."""
LONGEST_TOLD_SECONDS: Final = 60.0
"""A signer that asks for more is asked again after this."""
LONGEST_ADVICE_SECONDS: Final = 30.0
"""What callers are told to wait at most."""

_SLOW: Final = "more signatures are asked for than the key's vault gives in this time"


class Gate:
    """Lets attempts through. Belongs to the event loop.

    Args:
        limit: attempts in any ten seconds.
        at_once: attempts under way.
        monotonic: seconds that never go back; deadlines are on it.
    """

    def __init__(self, limit: int, at_once: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._burst = max(1.0, limit * BURST_SHARE)
        self._rate = max(limit - self._burst, limit / 2) / WINDOW_SECONDS
        self._at_once = at_once
        self._monotonic = monotonic
        self._tokens = self._burst
        self._filled_at = monotonic()
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused_until = 0.0
        self._pause = 0.0
        self._trouble: SignerBusy | None = None

    async def enter(self, deadline: float, *, again: bool = False) -> None:
        """Wait for one's turn; `leave` ends it.

        Args:
            deadline: of the call, on `monotonic`.
            again: it was let through before, in vain: it comes before those that wait.

        Raises:
            SignerUnavailable: it will not come in time.
        """
        now = self._monotonic()
        left = deadline - now
        patience = max(left - REPLY_SECONDS, left / 3)
        if self._delay(now, 0 if again else len(self._waiting)) > patience:
            raise self._refusal()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)(turn)
        self._admit()
        try:
            async with asyncio.timeout(patience):
                await turn
        except TimeoutError:
            self._withdraw(turn)
            raise self._refusal() from self._trouble
        except BaseException:
            self._withdraw(turn)
            raise

    def leave(self) -> None:
        """The attempt is over, whatever came of it."""
        self._under_way -= 1
        self._admit()

    def succeeded(self) -> None:
        """The signer works, or has refused for good: nothing is held back any more."""
        self._trouble = None
        self._pause = 0.0

    def failed(self, busy: SignerBusy) -> None:
        """Hold everything back, for a little longer each time, and at least for as long as the signer asked."""
        now = self._monotonic()
        self._trouble = busy
        seconds = min(busy.asked_for or 0.0, LONGEST_TOLD_SECONDS)
        # Attempts that were under way together fail together: that is one failure.
        if now >= self._paused_until:
            self._pause = min(self._pause * 2 or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            seconds = max(seconds, self._pause)
        self._paused_until = max(self._paused_until, now + seconds)

    def spend(self) -> None:
        """Count a transaction that did not come through here."""
        self._tokens -= 1

    def _admit(self) -> None:
        """Let through who may go now, and look again when the next one may."""
        self._refill()
        # While there is trouble one attempt finds out whether it is over.
        at_once = 1 if self._trouble else self._at_once
        while self._waiting and self._under_way < at_once and self._open():
            turn = self._waiting.popleft()
            if not turn.done():
                self._tokens -= 1
                self._under_way += 1
                turn.set_result(None)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._under_way < at_once:
            delay = self._delay(self._monotonic(), 0)
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0.001), self._admit)

    def _open(self) -> bool:
        return self._tokens >= 1 and self._monotonic() >= self._paused_until

    def _refill(self) -> None:
        now = self._monotonic()
        # However long nobody asked, no more than a burst is saved up.
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now

    def _delay(self, now: float, ahead: int) -> float:
        """Seconds until it may be the turn of who has so many before it, as things stand."""
        self._refill()
        return max(0.0, self._paused_until - now, (ahead + 1 - self._tokens) / self._rate)

    def _withdraw(self, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled():
            # It was let through at the very moment when it gave up.
            self.leave()
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def _refusal(self) -> SignerUnavailable:
        advice = self._delay(self._monotonic(), len(self._waiting))
        message = self._trouble.message if self._trouble else _SLOW + ": send again with the same request_id"
        return SignerUnavailable(message, retry_after=min(max(advice, 1.0), LONGEST_ADVICE_SECONDS))
