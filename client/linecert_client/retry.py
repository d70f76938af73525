"""Sending a call again, within its deadline: one request_id, so a repeat gives the same certificate.

UNAVAILABLE and CANCELLED are sent again (a server that drains answers either), an attempt without an answer too, and
RESOURCE_EXHAUSTED where the service says after which time. Waits grow exponentially with jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and never undercut RetryInfo.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from linecert_client.errors import DeadlineExceeded, LinecertError, Refused, Unavailable, Unreachable
from linecert_client.tls_probe import Unreached

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0
_DOUBLINGS: Final = 6
_SHORTEST_ATTEMPT_SECONDS: Final = 5.0
_AGAIN: Final = frozenset({"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"})

_Answer = TypeVar("_Answer")


class Attempts:
    """The attempts at one call, or at the next message of a stream.

    Args:
        deadline: seconds for all attempts and waits together.
        examine_transport: called after a failure without a reason until a server was reached; takes the seconds that
            are left, and raises where another attempt would be in vain.
        request_id: of the request, for the error's text.
        sleep: waits for so many seconds; may raise to end the attempts.
    """

    def __init__(
        self,
        deadline: float,
        examine_transport: Callable[[float], Unreached | None],
        request_id: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deadline = deadline
        self._examine_transport = examine_transport
        self._request_id = request_id
        self._sleep = sleep
        self._end = time.monotonic() + deadline
        self._failed = 0
        self._examined = False
        self._unreached: Unreached | None = None

    def timeout(self) -> float:
        """Seconds for the next attempt."""
        left = self._end - time.monotonic()
        # A server that hangs gets half of what is left, so that another one can still answer.
        return max(0.0, min(left, max(left / 2, _SHORTEST_ATTEMPT_SECONDS)))

    def wait_after(self, refusal: Refused) -> None:
        """Wait until the next attempt.

        Raises:
            Refused: for a reason that another attempt does not cure.
            Unavailable: the deadline leaves no room for another attempt; Unreachable, when no server was reached.
            DeadlineExceeded: the last attempt had no answer when the deadline came.
        """
        if not curable(refusal):
            raise refusal
        if refusal.status == "UNAVAILABLE" and not refusal.reason and not self._examined:
            self._unreached = self._examine_transport(self._end - time.monotonic())
            self._examined = self._unreached is None
        wait = _wait(self._failed, refusal.retry_after)
        self._failed += 1
        if time.monotonic() + wait >= self._end:
            raise self._given_up(refusal) from refusal
        self._sleep(wait)

    def _given_up(self, last: Refused) -> LinecertError:
        if last.status == "RESOURCE_EXHAUSTED":
            return last
        if self._unreached is not None:
            return Unreachable(
                self._unreached.problem, last, action=self._unreached.action, request_id=self._request_id
            )
        if last.status == "DEADLINE_EXCEEDED":
            return DeadlineExceeded(f"no answer within {self._deadline:g} seconds", request_id=self._request_id)
        return Unavailable(last, request_id=self._request_id)


def call(
    send: Callable[[float], _Answer],
    *,
    deadline: float,
    examine_transport: Callable[[float], Unreached | None],
    request_id: str | None = None,
) -> _Answer:
    """The answer of `send`, tried again until it comes or `deadline` is over.

    Args:
        send: one attempt; takes its timeout in seconds and raises `Refused`.
        deadline: as in `Attempts`.
        examine_transport: as in `Attempts`.
        request_id: as in `Attempts`.

    Raises:
        Refused: for a reason that another attempt does not cure.
        Unavailable: the deadline left no room for another attempt.
        DeadlineExceeded: the last attempt had no answer when the deadline came.
    """
    attempts = Attempts(deadline, examine_transport, request_id)
    while True:
        try:
            return send(attempts.timeout())
        except Refused as refusal:
            last = refusal
        attempts.wait_after(last)


def curable(refusal: Refused) -> bool:
    """Whether the same request may be answered otherwise when it is sent again."""
    return refusal.status in _AGAIN or (refusal.status == "RESOURCE_EXHAUSTED" and refusal.retry_after is not None)


def _wait(attempt: int, retry_after: float | None) -> float:
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(attempt, _DOUBLINGS))
    jittered = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
    # Jitter comes on top of RetryInfo, so that stations refused together do not come back together.
    return jittered if retry_after is None else retry_after + jittered
