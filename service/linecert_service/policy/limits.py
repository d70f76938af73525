"""How many certificates a station gets: a token bucket for the minute, a count for the day.

A token is taken before a certificate is signed, and given back when none was newly issued for it, so that a
repetition costs nothing. Each server counts what it issues; the day's count begins with what the log holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.policy.stations import Station

DAY: Final = 86_400
_MINUTE: Final = 60.0


@dataclass(slots=True)
class _Count:
    """Of one station.

    Attributes:
        tokens: left of the minute's bucket, as of `filled` (monotonic seconds).
        day: days since 1970, UTC.
        issued: on that day.
    """

    tokens: float
    filled: float
    day: int
    issued: int = 0


class Limits:
    """Counts what stations get. Belongs to the event loop.

    Args:
        clock: the time.
        issued_today: what each station has got since midnight UTC.
    """

    def __init__(self, clock: Clock, issued_today: Mapping[str, int]) -> None:
        self._clock = clock
        self._issued_today = dict(issued_today)
        self._today = self._day()
        self._counts: dict[str, _Count] = {}

    def take(self, station: Station) -> int:
        """Take a token.

        Returns:
            The day that it counts for, for `give_back`.

        Raises:
            Refused: STATION_LIMIT_REACHED, with the time until there is one.
        """
        if station.per_minute is None and station.per_day is None:
            return self._day()
        count = self._count(station)
        if station.per_day is not None and count.issued >= station.per_day:
            raise _refused(station, f"{station.per_day} certificates a day", self._until_midnight())
        if station.per_minute is not None:
            if count.tokens < 1:
                wait = (1 - count.tokens) * _MINUTE / station.per_minute
                raise _refused(station, f"{station.per_minute} certificates a minute", wait)
            count.tokens -= 1
        count.issued += 1
        return count.day

    def give_back(self, station: Station, day: int) -> None:
        """Give a token back that was taken on `day` and brought no new certificate."""
        if count := self._counts.get(station.name):
            if count.day == day:
                count.issued = max(0, count.issued - 1)
            count.tokens = min(count.tokens + 1, station.per_minute or 0)

    def _count(self, station: Station) -> _Count:
        now, day = self._clock.monotonic(), self._day()
        capacity = station.per_minute or 0
        count = self._counts.get(station.name)
        if count is None:
            issued = self._issued_today.pop(station.name, 0) if day == self._today else 0
            count = self._counts[station.name] = _Count(capacity, now, day, issued)
        if count.day != day:
            count.day, count.issued = day, 0
        count.tokens = min(capacity, count.tokens + (now - count.filled) * capacity / _MINUTE)
        count.filled = now
        return count

    def _day(self) -> int:
        return int(self._clock.time()) // DAY

    def _until_midnight(self) -> float:
        return DAY - self._clock.time() % DAY


def _refused(station: Station, limit: str, wait: float) -> Refused:
    return Refused(
        reasons.ERROR_REASON_STATION_LIMIT_REACHED,
        f"station {station.name} has had its {limit}: send again later, or have its entry in stations.toml changed",
        retry_after=wait,
    )
