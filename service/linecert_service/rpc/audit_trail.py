"""Refusals and repetitions as events of the log: enough for an auditor, and bounded, whatever a caller sends.

Of each kind, station and reason the first few of a minute are events of their own, and the rest is one event with
their number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from linecert.transparency import canonical_json
from linecert_service.domain.clock import Clock
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import CertificateRecord
from linecert_service.policy.stations import Station

PER_MINUTE: Final = 10
_MINUTE: Final = 60.0


@dataclass(slots=True)
class _Minute:
    """What was told of one kind, station and reason since `began` (monotonic seconds)."""

    began: float
    line: str
    told: int = 0
    rest: int = 0


class AuditTrail:
    """Tells the log what was refused and repeated. Belongs to the event loop.

    Args:
        record: takes over an event.
        clock: the time.
    """

    def __init__(self, record: Callable[[NewEvent], None], clock: Clock) -> None:
        self._record = record
        self._clock = clock
        self._minutes: dict[tuple[str, str, str], _Minute] = {}

    def rejected(self, station: Station, reason: str, registration_key: str | None) -> None:
        """A request of a known caller was refused; `registration_key` is None where the CSR was not read."""
        self._tell("rejected", station.name, reason, station.line, registration_key=registration_key)

    def replayed(self, station: Station, record: CertificateRecord) -> None:
        """A request was answered with a certificate that stood."""
        key, serial = record.registration_key, record.serial
        self._tell("replayed", station.name, "", station.line, registration_key=key, serial=serial)

    def flush(self, *, everything: bool = False) -> None:
        """Tell the numbers of the minutes that are over, or of all."""
        now = self._clock.monotonic()
        for key, minute in list(self._minutes.items()):
            if everything or now - minute.began >= _MINUTE:
                del self._minutes[key]
                if minute.rest:
                    self._record(_event(*key, minute.line, count=minute.rest))

    def _tell(
        self,
        kind: str,
        station: str,
        reason: str,
        line: str,
        *,
        registration_key: str | None,
        serial: bytes | None = None,
    ) -> None:
        self.flush()
        minute = self._minutes.setdefault((kind, station, reason), _Minute(self._clock.monotonic(), line))
        if minute.told < PER_MINUTE:
            minute.told += 1
            self._record(_event(kind, station, reason, line, registration_key=registration_key, serial=serial))
        else:
            minute.rest += 1


def _event(
    kind: str,
    station: str,
    reason: str,
    line: str,
    *,
    registration_key: str | None = None,
    serial: bytes | None = None,
    count: int | None = None,
) -> NewEvent:
    detail = {"line": line} if line else {}
    if count is not None:
        detail["count"] = str(count)
    return NewEvent(
        kind=kind,
        serial=serial,
        registration_key=registration_key,
        station=station,
        reason=reason or None,
        detail=canonical_json(detail).decode() if detail else None,
    )
