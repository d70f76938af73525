"""Who is told of refusals."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1 import signing_pb2
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.policy.stations import Station
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.rejections import Rejections, named
from support.doubles import FakeClock
from support.installations import make_installation
from support.server import AUDITOR, STATION

METHOD = signing_pb2.DESCRIPTOR.services_by_name["SigningService"].methods_by_name["SignDevice"]


class Desk:
    """Rejections on a clock that stands."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(1_800_000_000.0)
        self.counted: list[tuple[str, str, str]] = []
        self.events: list[NewEvent] = []
        self._stations = make_installation(folder / "server").stations().by_name
        self._rejections = Rejections(self, AuditTrail(self.events.append, self.clock), self.clock)

    def request_rejected(self, reason: str, line: str, station: str) -> None:
        """Remember."""
        self.counted.append((reason, line, station))

    def station(self, name: str) -> Station:
        """A caller of the installation."""
        return self._stations[name]

    def refuse(self, reason: ErrorReason, times: int = 1, *, name: str = STATION) -> list[dict[str, Any]]:
        """Tell so often of a refusal; returns the lines of the log."""
        station = self.station(name)
        with capture_logs() as lines:
            for _ in range(times):
                self._rejections.tell(Refused(reason, "no"), METHOD, station, named(station))
        return [dict(line) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Rejections of a fresh installation."""
    return Desk(tmp_path)


def test_overload_is_logged_once_a_second_with_a_number(desk: Desk) -> None:
    """A flood writes one line a second for each station; the next line says how many there were between."""
    first = desk.refuse(reasons.ERROR_REASON_OVERLOADED, 1000)
    assert [(line["reason"], line["station"]) for line in first] == [("OVERLOADED", STATION)]
    assert "untold" not in first[0]
    assert len(desk.refuse(reasons.ERROR_REASON_OVERLOADED, name=AUDITOR)) == 1
    desk.clock.pass_by(1)
    assert [line["untold"] for line in desk.refuse(reasons.ERROR_REASON_OVERLOADED, 2)] == [999]
    desk.clock.pass_by(1)
    assert [line["untold"] for line in desk.refuse(reasons.ERROR_REASON_OVERLOADED)] == [1]


def test_metrics_count_every_refusal(desk: Desk) -> None:
    """What is not logged is counted all the same; the audit log is not told of what is the service's own doing."""
    desk.refuse(reasons.ERROR_REASON_OVERLOADED, 1000)
    line = desk.station(STATION).line or ""
    assert desk.counted == [("OVERLOADED", line, STATION)] * 1000
    assert desk.events == []


def test_other_refusals_are_lines_each_but_in_a_flood(desk: Desk) -> None:
    """What somebody has to act on is a line for each, up to ten a second of a reason; another reason has its own."""
    weak, malformed = reasons.ERROR_REASON_PUBLIC_KEY_WEAK, reasons.ERROR_REASON_CSR_MALFORMED
    assert len(desk.refuse(weak, 10)) == 10
    assert desk.refuse(weak, 5) == []
    assert len(desk.refuse(malformed)) == 1
    desk.clock.pass_by(1)
    assert [line.get("untold") for line in desk.refuse(weak, 2)] == [5, None]
