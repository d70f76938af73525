"""Sending a call again, within its deadline: one request_id, so a repeat gives the same certificate.

UNAVAILABLE and CANCELLED are sent again (a server that drains answers either), an attempt without an answer too, and
RESOURCE_EXHAUSTED where the service says after which time. Waits grow exponentially with jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and never undercut RetryInfo.
"""

import itertools
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from linecert_client.errors import DeadlineExceeded, LinecertError, Refused, Unavailable

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0
_DOUBLINGS: Final = 6
_SHORTEST_ATTEMPT_SECONDS: Final = 5.0
_AGAIN: Final = frozenset({"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"})

_Answer = TypeVar("_Answer")


def call(
    send: Callable[[float], _Answer],
    *,
    deadline: float,
    examine_transport: Callable[[float], bool],
    request_id: str | None = None,
) -> _Answer:
    """The answer of `send`, tried again until it comes or `deadline` is over.

    Args:
        send: one attempt; takes its timeout in seconds and raises `Refused`.
        deadline: seconds for all attempts and waits together.
        examine_transport: called after a failure without a reason until it returns True; takes the seconds that are
            left, and raises where another attempt would be in vain.
        request_id: of the request, for the error's text.

    Raises:
        Refused: for a reason that another attempt does not cure.
        Unavailable: the deadline left no room for another attempt.
        DeadlineExceeded: the last attempt had no answer when the deadline came.
    """
    end = time.monotonic() + deadline
    examined = False
    for attempt in itertools.count():
        try:
            return send(_attempt_timeout(end - time.monotonic()))
        except Refused as refusal:
            last = refusal
        if not _curable(last):
            raise last
        if last.status == "UNAVAILABLE" and not last.reason and not examined:
            examined = examine_transport(end - time.monotonic())
        wait = _wait(attempt, last.retry_after)
        if time.monotonic() + wait >= end:
            raise _given_up(last, deadline, request_id) from last
        time.sleep(wait)
    raise AssertionError  # pragma: no cover - count() does not end


def _attempt_timeout(left: float) -> float:
    # A server that hangs gets half of what is left, so that another one can still answer.
    return max(0.0, min(left, max(left / 2, _SHORTEST_ATTEMPT_SECONDS)))


def _curable(refusal: Refused) -> bool:
    return refusal.status in _AGAIN or (refusal.status == "RESOURCE_EXHAUSTED" and refusal.retry_after is not None)


def _wait(attempt: int, retry_after: float | None) -> float:
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(attempt, _DOUBLINGS))
    jittered = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
    # Jitter comes on top of RetryInfo, so that stations refused together do not come back together.
    return jittered if retry_after is None else retry_after + jittered


def _given_up(last: Refused, deadline: float, request_id: str | None) -> LinecertError:
    if last.status == "RESOURCE_EXHAUSTED":
        return last
    if last.status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(f"no answer within {deadline:g} seconds", request_id=request_id)
    return Unavailable(last, request_id=request_id)
