"""Who is told that a request was refused: metrics, the audit log, and the service's own log."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2

from linecert import contract
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.policy.stations import Station
from linecert_service.rpc.audit_trail import AuditTrail

LINES_A_SECOND: Final = 10
"""For each station and reason: a line for each refusal of a flood would be one more load, and hide all else."""
OVERLOADED_LINES_A_SECOND: Final = 1
UNKNOWN_LINES_A_SECOND: Final = 100
"""For each reason, of all unknown callers together: nobody knows whether they are one or many."""

_ISSUING = "SigningService"

_log = structlog.get_logger("linecert.rpc")


class RejectionMeter(Protocol):
    """Is told of refusals."""

    def request_rejected(self, reason: str, line: str, station: str) -> None:
        """A request was refused; `line` and `station` are empty for an unknown caller."""


@dataclass(slots=True)
class _Second:
    """What was logged of a station and reason in the second that began then (monotonic), and what was not."""

    began: float
    lines: int = 0
    untold: int = 0


class Rejections:
    """Tells of refusals.

    Args:
        meter: counts them.
        trail: tells the audit log.
        clock: the time.
    """

    def __init__(self, meter: RejectionMeter, trail: AuditTrail, clock: Clock) -> None:
        self._meter = meter
        self._trail = trail
        self._clock = clock
        self._seconds: dict[tuple[str, ErrorReason], _Second] = {}

    def tell(
        self, refused: Refused, method: MethodDescriptor, station: Station | None, facts: Mapping[str, object]
    ) -> None:
        """Tell of one.

        Args:
            refused: the refusal.
            method: what was called.
            station: who called; None for an unknown caller.
            facts: what else names caller and request in the service's log; validated.
        """
        refusal = contract.refusal(refused.reason)
        self._meter.request_rejected(refusal.name, station.line if station else "", station.name if station else "")
        ours = refusal.status == code_pb2.UNAVAILABLE
        # Of the requests for certificates: who may not read, or asks for nonsense, is in the service's own log.
        if station and not ours and method.containing_service.name == _ISSUING:
            self._trail.rejected(station, refusal.name, refused.registration_key)
        untold = self._untold(station.name if station else "", refused.reason)
        if untold is None:
            return
        if untold:
            facts = {**facts, "untold": untold}
        cause = {"cause": type(refused.__cause__).__name__} if refused.__cause__ else {}
        _log.log(
            logging.ERROR if cause and ours else logging.WARNING,
            "rejected",
            method=method.name,
            **facts,
            reason=refusal.name,
            message=refused.message,
            **cause,
        )

    def _untold(self, station: str, reason: ErrorReason) -> int | None:
        """How many refusals like this one were not logged lately; None: nor is this one."""
        now = self._clock.monotonic()
        most = LINES_A_SECOND if station else UNKNOWN_LINES_A_SECOND
        if reason == reasons.ERROR_REASON_OVERLOADED:
            most = OVERLOADED_LINES_A_SECOND
        second = self._seconds.setdefault((station, reason), _Second(now))
        if now - second.began >= 1:
            second.began, second.lines = now, 0
        if second.lines >= most:
            second.untold += 1
            return None
        second.lines += 1
        untold, second.untold = second.untold, 0
        return untold


def named(station: Station) -> dict[str, object]:
    """What names a known caller in the log."""
    facts: dict[str, object] = {"station": station.name}
    if station.line:
        facts["line"] = station.line
    return facts
