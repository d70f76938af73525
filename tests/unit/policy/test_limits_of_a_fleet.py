"""The limits of several servers on one log: how exact they are, for any order of events."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert_service.domain.errors import Refused
from linecert_service.domain.issued_counts import SECONDS_OF_DAY, IssuedCounts
from linecert_service.domain.records import CertificateRecord
from linecert_service.policy.limits import Limits
from linecert_service.policy.stations import Station
from support.claims import NOW, claim, record
from support.doubles import FakeClock
from support.issuing import caller

SERVERS = 3
STALE_SECONDS = 2
"""A server has read at any time what was in the log so many seconds ago."""
MIDNIGHT = NOW // SECONDS_OF_DAY * SECONDS_OF_DAY + SECONDS_OF_DAY


@dataclass(slots=True)
class Log:
    """What is recorded: at which time, by which server; a position may hold something else, too."""

    rows: list[tuple[CertificateRecord, "Server"] | None] = field(default_factory=list)

    def counts(self, start: int = 0, day: int | None = None) -> IssuedCounts:
        """What stands from `start` on; of one day only, if it is given."""
        found: Counter[tuple[str, int]] = Counter()
        for row in self.rows[start:]:
            if row and day in (None, day_of(row[0])):
                found[row[0].station, day_of(row[0])] += 1
        return IssuedCounts(len(self.rows), found)


def day_of(row: CertificateRecord) -> int:
    """The day that a certificate was issued on."""
    return row.issued_at // (SECONDS_OF_DAY * 1_000_000)


class Server:
    """One server's limits, and what it has under way."""

    def __init__(self, clock: FakeClock, log: Log, station: Station) -> None:
        self._clock, self._log, self.station = clock, log, station
        self.restart()

    def restart(self) -> None:
        """Begin with what the log holds; what was under way is lost."""
        today = int(self._clock.now) // SECONDS_OF_DAY
        self.limits = Limits(self._clock, lambda _name: self.station, self._log.counts(day=today))
        self.under_way: list[int] = []

    def take(self) -> bool:
        """Begin a request, if the limit lets it."""
        try:
            self.under_way.append(self.limits.take(self.station))
        except Refused:
            return False
        return True

    def end(self, *, new: bool) -> None:
        """End the request that is longest under way, with a new certificate or without."""
        if not self.under_way:
            return
        day = self.under_way.pop(0)
        if not new:
            self.limits.give_back(self.station.name, day)
            return
        index, at = len(self._log.rows), int(self._clock.now * 1_000_000)
        row = record(claim(station=self.station.name), log_index=index, issued_at=at)
        self._log.rows.append((row, self))
        self.limits.recorded(row, day)

    def look(self) -> None:
        """Read on in the log."""
        self.limits.charge(self._log.counts(self.limits.read_to))

    def knows(self, day: int) -> int:
        """How many certificates of a day it may know of: what it has read, its own, and what it has under way."""
        rows = [(index, row) for index, row in enumerate(self._log.rows) if row and day_of(row[0]) == day]
        known = [row for index, row in rows if index < self.limits.read_to or row[1] is self]
        return len(known) + self.under_way.count(day)


Move = tuple[str, int, float]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["take"] * 6 + ["record"] * 5 + ["give back", "look", "event", "pass", "restart"]),
        st.integers(0, SERVERS - 1),
        st.floats(0, 30),
    ),
    max_size=150,
)


@given(MOVES, st.integers(1, 12), st.booleans())
def test_day_is_exact_up_to_what_a_server_cannot_know(moves: list[Move], per_day: int, late: bool) -> None:
    """It refuses if and only if what it knows of the day has reached the limit: nothing twice, nothing forgotten.

    Whatever is recorded, given back, read or restarted in between, and across midnight. Once all have read
    all, they agree with the log.
    """
    clock, log = FakeClock(MIDNIGHT - 20 if late else NOW), Log()
    servers = [Server(clock, log, caller(per_day=per_day).station) for _ in range(SERVERS)]
    for move, number, seconds in moves:
        server = servers[number]
        today = int(clock.now) // SECONDS_OF_DAY
        if move == "take":
            known = server.knows(today)
            assert server.take() == (known < per_day)
        else:
            apply(move, server, seconds, clock, log)
    today = int(clock.now) // SECONDS_OF_DAY
    recorded = log.counts().certificates.get(("station-01", today), 0)
    for server in servers:
        while server.under_way:
            server.end(new=False)
        server.look()
    left = max(0, per_day - recorded)
    for server in servers:
        assert [server.take() for _ in range(left + 1)] == [True] * left + [False]


@given(MOVES, st.integers(1, 30))
def test_minute_holds_over_all_servers_up_to_a_bucket_for_each(moves: list[Move], per_minute: int) -> None:
    """In t minutes n servers give at most t + n times the limit, and what comes while they have not read the log.

    That is the bound which docs/operations.md states.
    """
    clock, log = FakeClock(NOW), Log()
    servers = [Server(clock, log, caller(per_minute=per_minute).station) for _ in range(SERVERS)]
    given_at: list[float] = []
    restarts = 0
    for move, number, seconds in moves:
        # Time goes on in steps in between which all servers read the log.
        if move == "pass":
            advance(servers, clock, seconds)
        elif move == "take":
            if servers[number].take():
                given_at.append(clock.elapsed)
        else:
            restarts += move == "restart"
            apply(move, servers[number], 0, clock, log)
    rate = per_minute / 60
    for first, start in enumerate(given_at):
        for last, end in enumerate(given_at[first:], first + 1):
            unread = (SERVERS - 1) * (per_minute + STALE_SECONDS * rate)
            assert last - first <= per_minute * (1 + restarts) + (end - start) * rate + unread + 1


def test_rate_over_a_long_time_is_that_of_one_server() -> None:
    """Stations that ask all servers for all they can get, for an hour: the limit's sixty minutes, and the buckets."""
    clock, log, per_minute = FakeClock(NOW), Log(), 60
    servers = [Server(clock, log, caller(per_minute=per_minute).station) for _ in range(SERVERS)]
    for _ in range(3_600):
        clock.pass_by(1)
        for server in servers:
            while server.take():
                server.end(new=True)
        for server in servers:
            server.look()
    assert 60 * per_minute <= len(log.rows) <= (60 + SERVERS) * per_minute + SERVERS * STALE_SECONDS


@pytest.mark.parametrize("limits", [{"per_day": 10}, {"per_minute": 10}])
def test_station_that_has_one_server_to_itself_is_refused_by_the_others(limits: dict[str, int]) -> None:
    """What one server gave, the others do not give again."""
    clock, log = FakeClock(NOW), Log()
    servers = [Server(clock, log, caller(**limits).station) for _ in range(SERVERS)]
    for _ in range(10):
        assert servers[0].take()
        servers[0].end(new=True)
    for server in servers:
        server.look()
        assert not server.take()


def apply(move: str, server: Server, seconds: float, clock: FakeClock, log: Log) -> None:
    """Do a move that gives no token."""
    match move:
        case "record":
            server.end(new=True)
        case "give back":
            server.end(new=False)
        case "look":
            server.look()
        case "event":
            log.rows.append(None)
        case "pass":
            clock.pass_by(seconds)
        case "restart":
            server.restart()


def advance(servers: list[Server], clock: FakeClock, seconds: float) -> None:
    """Let time go on; nobody goes without reading the log for longer than STALE_SECONDS."""
    while seconds > 0:
        clock.pass_by(min(seconds, STALE_SECONDS))
        seconds -= STALE_SECONDS
        for server in servers:
            while server.under_way:
                server.end(new=True)
        for server in servers:
            server.look()
