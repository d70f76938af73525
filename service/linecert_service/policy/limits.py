"""How many certificates a station gets: a token bucket for the minute, a count for the day.

A token is taken before a certificate is signed, and given back when none was newly issued for it, so that a
repetition costs nothing. What a server issues itself it counts at once. What others on the same database issue it
reads from the log a moment later: the log is the account that all of them agree on, and no request waits for it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.domain.issued_counts import SECONDS_OF_DAY, IssuedCounts
from linecert_service.domain.records import CertificateRecord
from linecert_service.policy.stations import Station
from linecert_service.policy.token_bucket import TokenBucket

_MICROSECONDS_OF_DAY: Final = SECONDS_OF_DAY * 1_000_000


@dataclass(slots=True)
class _Count:
    """Of one station.

    Attributes:
        issued: how many certificates it got, by day; those under way count.
        bucket: None where there is no limit for the minute.
    """

    issued: Counter[int] = field(default_factory=Counter)
    bucket: TokenBucket | None = None


class Limits:
    """Counts what stations get, also those that have no limit: the next reload may give them one.

    The limits are those of the entry that a call comes with: a change acts from the next call on. Belongs to the event
    loop.

    Args:
        clock: the time.
        find: the entry of a station as it stands; None: there is none.
        issued: what stations have got today, as far as the log is read.

    Attributes:
        read_to: the log index up to which the log is read.
    """

    def __init__(self, clock: Clock, find: Callable[[str], Station | None], issued: IssuedCounts | None = None) -> None:
        self._clock = clock
        self._find = find
        self._counts: defaultdict[str, _Count] = defaultdict(_Count)
        # What this server recorded behind `read_to`: log index, station, day.
        self._own: list[tuple[int, str, int]] = []
        issued = issued or IssuedCounts()
        self.read_to = issued.end
        for (station, day), number in issued.certificates.items():
            self._counts[station].issued[day] = number

    def take(self, station: Station) -> int:
        """Take a token.

        Returns:
            The day that it counts for, for `give_back` or `recorded`.

        Raises:
            Refused: STATION_LIMIT_REACHED, with the time until there is one.
        """
        count, day = self._counts[station.name], self._day()
        if station.per_day is not None and count.issued[day] >= station.per_day:
            raise _refused(station, f"{station.per_day} certificates a day", self._until_midnight())
        if bucket := self._bucket(count, station.per_minute):
            if wait := bucket.wait:
                raise _refused(station, f"{station.per_minute} certificates a minute", wait)
            bucket.take()
        count.issued[day] += 1
        return day

    def give_back(self, station: str, day: int) -> None:
        """Give a token back that was taken on `day` and brought no new certificate."""
        count = self._counts[station]
        count.issued[day] -= 1
        if count.bucket:
            count.bucket.give_back()

    def recorded(self, record: CertificateRecord, day: int) -> None:
        """Note what the token of `day` brought. It counts for the day that the log says, as on every other server."""
        issued, recorded_on = self._counts[record.station].issued, record.issued_at // _MICROSECONDS_OF_DAY
        if recorded_on != day:
            issued[day] -= 1
            issued[recorded_on] += 1
        self._own.append((record.log_index, record.station, recorded_on))

    def charge(self, read: IssuedCounts) -> None:
        """Count what others issued.

        Args:
            read: the log from `read_to` on. All that this server has in it must have been told to `recorded`, and is
                not counted again.
        """
        others = Counter(read.certificates)
        others.subtract((station, day) for index, station, day in self._own if index < read.end)
        self._own = [own for own in self._own if own[0] >= read.end]
        self.read_to = read.end
        taken: Counter[str] = Counter()
        for (station, day), number in others.items():
            if number > 0:
                self._counts[station].issued[day] += number
                taken[station] += number
        for name, count in self._counts.items():
            self._bring_up_to_date(name, count, taken[name])

    def _bring_up_to_date(self, name: str, count: _Count, taken: int) -> None:
        station, yesterday = self._find(name), self._day() - 1
        if bucket := self._bucket(count, station.per_minute if station else None):
            bucket.charge(taken)
        for day in [day for day in count.issued if day < yesterday]:
            del count.issued[day]

    def _bucket(self, count: _Count, per_minute: int | None) -> TokenBucket | None:
        """The bucket of a station, filled up to now."""
        if per_minute is None:
            count.bucket = None
        elif count.bucket is None:
            count.bucket = TokenBucket.full(per_minute, self._clock.monotonic())
        else:
            count.bucket.fill(per_minute, self._clock.monotonic())
        return count.bucket

    def _day(self) -> int:
        return int(self._clock.time()) // SECONDS_OF_DAY

    def _until_midnight(self) -> float:
        return SECONDS_OF_DAY - self._clock.time() % SECONDS_OF_DAY


def _refused(station: Station, limit: str, wait: float) -> Refused:
    return Refused(
        reasons.ERROR_REASON_STATION_LIMIT_REACHED,
        f"station {station.name} has had its {limit}: send again later, or have its entry in stations.toml changed",
        retry_after=wait,
    )
