"""Changes of stations as events: what each says, that it fits, and that none is told twice."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from linecert.v1.options_pb2 import Role
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import EventRecord
from linecert_service.policy.identity import Identity
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.policy.station_changes import StationChanges, changes, stated
from linecert_service.policy.stations import Station, Stations

CA = "ab" * 32


class Log:
    """A log in memory.

    Attributes:
        slow: events wait until `catch_up`.
        error: what reading raises.
    """

    def __init__(self) -> None:
        self.events: list[EventRecord] = []
        self.slow = False
        self.error: Exception | None = None
        self._queue: list[NewEvent] = []

    async def newest_changes(self) -> Mapping[str, EventRecord]:
        """The newest of each station."""
        if self.error:
            raise self.error
        return {str(event.station): event for event in self.events}

    def record(self, event: NewEvent) -> None:
        """Take over an event."""
        self._queue.append(event)
        if not self.slow:
            self.catch_up()

    def catch_up(self) -> None:
        """Append what was taken over."""
        for event in self._queue:
            fields = {**dataclasses.asdict(event), "log_index": len(self.events), "leaf_version": 1, "at": 0}
            self.events.append(EventRecord(**fields))
        self._queue.clear()

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """Station, change and fields of each event."""
        details = [(str(event.station), json.loads(event.detail or "")) for event in self.events]
        return [(name, detail["change"], detail.get("fields", "")) for name, detail in details]


def station(name: str = "ict-07", **settings: Any) -> Station:
    """A station with nothing special."""
    entry: dict[str, Any] = {
        "line": "L2",
        "identity": Identity(CA, "uri", f"urn:{name}"),
        "roles": frozenset({Role.ROLE_STATION}),
    }
    return Station(name=name, **(entry | settings))


async def told(log: Log, *versions: Stations) -> StationChanges:
    """The changes of a server that saw these versions, one after the other."""
    server = StationChanges(log, log.record)
    for stations in versions:
        server.note(stations)
        await server.settle()
    return server


async def test_each_change_is_told_once_with_the_fields_that_changed() -> None:
    """Added, changed, disabled, removed, and added again; a file that says the same is no change."""
    log = Log()
    await told(
        log,
        Stations([station(), station("b")]),
        Stations([station(), station("b")]),
        Stations([station(per_day=10, line="L3"), station("b")]),
        Stations([station(per_day=10, line="L3", enabled=False), station("b")]),
        Stations([station("b")]),
        Stations([station(), station("b")]),
    )
    assert log.told == [
        ("ict-07", "added", ""),
        ("b", "added", ""),
        ("ict-07", "changed", "line,per_day"),
        ("ict-07", "changed", "enabled"),
        ("ict-07", "removed", ""),
        ("ict-07", "added", ""),
    ]


async def test_an_event_holds_the_whole_entry_as_of_then() -> None:
    """The log alone says what a station was allowed at any time; defaults are left out."""
    entry = station(
        registration_id_patterns=RegistrationIdPatterns(["l2-*"]),
        replacement_reasons=frozenset({"REWORK", "LOST"}),
        revoked_serials=frozenset({255, 16}),
        valid_until=1_896_134_399.0,
        work_order_required=True,
    )
    (event,) = changes({}, Stations([entry]))
    assert (event.kind, event.station, event.actor) == ("station_changed", "ict-07", None)
    assert json.loads(event.detail or "") == {
        "change": "added",
        "ca": CA[:32],
        "identity": "uri urn:ict-07",
        "line": "L2",
        "registration_id_patterns": "l2-*",
        "replacement_reasons": "LOST,REWORK",
        "revoked_serials": "10,ff",
        "roles": "station",
        "valid_until": "2030-01-31T23:59:59+00:00",
        "work_order_required": "true",
    }


async def test_changes_made_while_no_server_ran_are_told_at_the_next_start() -> None:
    """A second server compares with the log, not with what it saw; what is there already is not repeated."""
    log = Log()
    await told(log, Stations([station()]))
    await told(log, Stations([station()]))
    await told(log, Stations([station(per_minute=5)]))
    assert log.told == [("ict-07", "added", ""), ("ict-07", "changed", "per_minute")]


async def test_two_servers_tell_one_change_once() -> None:
    """The second one finds what the first one told."""
    log = Log()
    servers = [await told(log, Stations([station()])) for _ in range(2)]
    for server in servers:
        server.note(Stations([station(enabled=False)]))
        await server.settle()
    assert log.told == [("ict-07", "added", ""), ("ict-07", "changed", "enabled")]


async def test_a_change_and_its_undoing_are_both_told() -> None:
    """Although the first is not in the log yet when the second comes."""
    log = Log()
    server = await told(log, Stations([station()]))
    log.slow = True
    for enabled in (False, True):
        server.note(Stations([station(enabled=enabled)]))
        await server.settle()
    assert log.told == [("ict-07", "added", "")]
    log.catch_up()
    await server.settle()
    log.catch_up()
    assert log.told[1:] == [("ict-07", "changed", "enabled")] * 2


async def test_what_a_store_that_does_not_answer_misses_is_told_later() -> None:
    """All of it, in order."""
    log = Log()
    server = await told(log, Stations([station()]))
    log.error = StoreUnavailable("the store does not answer")
    server.note(Stations([station(enabled=False)]))
    await server.settle()
    server.note(Stations([]))
    await server.settle()
    log.error = None
    await server.settle()
    assert log.told[1:] == [("ict-07", "changed", "enabled"), ("ict-07", "removed", "")]


LONGEST: dict[str, Any] = {
    "line": "l" * 52,
    "identity": Identity(CA, "sha256", "u" * 45),
    "roles": frozenset(Role.values()) - {Role.ROLE_UNSPECIFIED},
    "profiles": ("p" * 52,),
    "default_profile": "d" * 52,
    "registration_id_patterns": RegistrationIdPatterns(["*" * 52]),
    "work_order_required": True,
    "replacement_reasons": frozenset({"REWORK", "LOST", "KEY_COMPROMISE", "EXPIRING"}),
    "per_minute": 10**51,
    "per_day": 10**51,
    "enabled": False,
    "valid_until": 1_896_134_399.123456,
    "revoked_serials": frozenset({16**51}),
}


def test_the_longest_entry_fits_into_an_event() -> None:
    """1,024 characters, whatever an entry says; every setting that there is takes part here."""
    assert {"name", *LONGEST} == {field.name for field in dataclasses.fields(Station)}
    before = {"ict-07": _record(changes({}, Stations([Station("ict-07", "x", Identity("", "uri", ""), frozenset())])))}
    (event,) = changes(before, Stations([Station(name="ict-07", **LONGEST)]))
    detail = json.loads(event.detail or "")
    assert set(detail["fields"].split(",")) == {*LONGEST, "ca"}
    assert 900 < len(event.detail or "") <= 1024


@pytest.mark.parametrize("value", ["u" * 60, "é", 'say "x"', "back\\slash", "line\nbreak", "\x00" * 20])
def test_what_is_long_or_needs_escapes_stands_as_its_digest(value: str) -> None:
    """Two of them are told apart all the same."""
    one, other = (stated(station(identity=Identity(CA, "cn", text)))["identity"] for text in (value, value + "x"))
    assert one.startswith("sha256:")
    assert len(one) == 39
    assert one != other


def _record(events: Any) -> EventRecord:
    log = Log()
    for event in events:
        log.record(event)
    return log.events[-1]
