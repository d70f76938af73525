"""Refusals and repetitions as events, within bounds."""

import json

from linecert_service.domain.events import NewEvent
from linecert_service.rpc.audit_trail import AuditTrail
from support.claims import NOW, record
from support.doubles import FakeClock
from support.issuing import caller

STATION = caller().station


class Trail:
    """A trail under test, with what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.told: list[NewEvent] = []
        self.trail = AuditTrail(self.told.append, self.clock)

    def reject(self, times: int, reason: str = "CSR_MALFORMED") -> None:
        """Refuse so many requests."""
        for _ in range(times):
            self.trail.rejected(STATION, reason, "device-01")

    def counts(self) -> list[int]:
        """The numbers of the counted events."""
        return [
            int(json.loads(event.detail)["count"]) for event in self.told if event.detail and "count" in event.detail
        ]


def test_refusal_is_an_event() -> None:
    """Station, reason, device and line stand in it."""
    trail = Trail()
    trail.reject(1)
    assert trail.told == [
        NewEvent(
            kind="rejected",
            registration_key="device-01",
            station="station-01",
            reason="CSR_MALFORMED",
            detail='{"line":"line-01"}',
        )
    ]


def test_repetition_names_the_certificate_that_stands() -> None:
    """An auditor sees which certificate was given again."""
    trail = Trail()
    standing = record()
    trail.trail.replayed(STATION, standing)
    assert (trail.told[0].kind, trail.told[0].serial) == ("replayed", standing.serial)


def test_flood_becomes_ten_events_and_a_number() -> None:
    """However many are refused in a minute, the log grows by eleven; none is left uncounted."""
    trail = Trail()
    trail.reject(1_000)
    assert len(trail.told) == 10
    trail.clock.pass_by(60)
    trail.trail.flush()
    assert trail.counts() == [990]
    assert len(trail.told) == 11


def test_reasons_are_bounded_apart() -> None:
    """A flood of one reason does not hide another."""
    trail = Trail()
    trail.reject(100)
    trail.reject(1, "REGISTRATION_ID_TAKEN")
    assert trail.told[-1].reason == "REGISTRATION_ID_TAKEN"


def test_new_minute_begins_anew() -> None:
    """The next minute's first are events again, and the number of the last one comes before them."""
    trail = Trail()
    trail.reject(12)
    trail.clock.pass_by(61)
    trail.reject(1)
    assert trail.counts() == [2]
    assert trail.told[-1].detail == '{"line":"line-01"}'


def test_end_tells_what_is_left() -> None:
    """At the end of the service no number is lost."""
    trail = Trail()
    trail.reject(15)
    trail.trail.flush(everything=True)
    assert trail.counts() == [5]
