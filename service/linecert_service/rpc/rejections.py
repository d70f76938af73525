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
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.policy.stations import Station
from linecert_service.rpc.audit_trail import AuditTrail

OVERLOADED_SECONDS: Final = 1.0
"""How often a station's OVERLOADED is a line of the log: a line for each would be one more load."""

_ISSUING = "SigningService"

_log = structlog.get_logger("linecert.rpc")


class RejectionMeter(Protocol):
    """Is told of refusals."""

    def request_rejected(self, reason: str, line: str, station: str) -> None:
        """A request was refused; `line` and `station` are empty for an unknown caller."""


@dataclass(slots=True)
class _Overload:
    """What a station was told lately: when it was last logged (monotonic seconds), and how often it was not since."""

    logged: float
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
        self._overloads: dict[str, _Overload] = {}

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
        if refused.reason == reasons.ERROR_REASON_OVERLOADED and station:
            untold = self._untold(station)
            if untold is None:
                return
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

    def _untold(self, station: Station) -> int | None:
        """How many refusals for overload were not logged since the last one that was; None: nor is this one."""
        now = self._clock.monotonic()
        last = self._overloads.get(station.name)
        if last and now - last.logged < OVERLOADED_SECONDS:
            last.untold += 1
            return None
        self._overloads[station.name] = _Overload(now)
        return last.untold if last else 0


def named(station: Station) -> dict[str, object]:
    """What names a known caller in the log."""
    facts: dict[str, object] = {"station": station.name}
    if station.line:
        facts["line"] = station.line
    return facts
