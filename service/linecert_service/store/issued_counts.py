"""How many certificates stations got. See `domain.issued_counts.IssuedCounter`."""

from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Select, func, literal_column, select

from linecert_service.domain.errors import StoreUnavailable
from linecert_service.domain.issued_counts import SECONDS_OF_DAY, IssuedCounts
from linecert_service.store.backend import Backend
from linecert_service.store.readers import Readers
from linecert_service.store.schema import CERTIFICATES, LOG_HEAD
from linecert_service.store.stretch import Stretch, stretch_between

PART: Final = 100_000
"""Positions that one query counts: more than are written in a second, and counted in some tenths of one."""
DAY_PART: Final = 250_000
"""The same where the index alone is read."""

_C: Final = CERTIFICATES.c
_MICROSECONDS_OF_DAY: Final = SECONDS_OF_DAY * 1_000_000
# The number stands in the text of the query: PostgreSQL takes two parameters for two different groups.
_DAY_BEGINS: Final = _C.issued_at - _C.issued_at % literal_column(str(_MICROSECONDS_OF_DAY), BigInteger)


class StoreIssuedCounts:
    """Counts in the store."""

    def __init__(self, backend: Backend, readers: Readers) -> None:
        self._backend = backend
        self._readers = readers

    def of_day(self, day: int) -> IssuedCounts:
        """What was issued on a day (days since 1970, UTC), up to the end of it or of the log. Blocks.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            with self._backend.engine.begin() as connection:
                start = day * _MICROSECONDS_OF_DAY
                stretch = stretch_between(connection, CERTIFICATES, start, start + _MICROSECONDS_OF_DAY)
                counts: dict[tuple[str, int], int] = {}
                for part in stretch.parts(DAY_PART):
                    for station, number in connection.execute(_by_station(part)):
                        counts[station, day] = counts.get((station, day), 0) + number
                return IssuedCounts(stretch.high, counts)
        except self._readers.errors as error:
            raise StoreUnavailable(f"the audit store does not count what was issued today: {error}") from error

    async def after(self, start: int) -> IssuedCounts:
        """What stands at the log index `start` and later, PART positions at most."""
        return await self._readers.run(lambda: self._after(start))

    def _after(self, start: int) -> IssuedCounts:
        with self._backend.engine.begin() as connection:
            # Read first: below it all is committed, whatever is appended meanwhile.
            size = connection.scalar(select(LOG_HEAD.c.size)) or 0
            part = Stretch(start, max(start, min(size, start + PART)))
            return IssuedCounts(part.high, {} if part.empty else _by_station_and_day(connection, part))


def _by_station_and_day(connection: Connection, part: Stretch) -> dict[tuple[str, int], int]:
    query = select(_C.station, _DAY_BEGINS, func.count()).group_by(_C.station, _DAY_BEGINS)
    rows = connection.execute(query.where(part.holds(_C.log_index)))
    return {(row[0], row[1] // _MICROSECONDS_OF_DAY): row[2] for row in rows}


def _by_station(part: Stretch) -> Select[Any]:
    """The stations, from one to the next, and for each a range of the index (station, log_index): no row is read."""
    names = select(func.min(_C.station).label("name")).cte("names", recursive=True)
    following = select(func.min(_C.station)).where(_C.station > names.c.name).scalar_subquery()
    names = names.union_all(select(following).where(names.c.name.is_not(None)))
    number = select(func.count()).where(_C.station == names.c.name, part.holds(_C.log_index)).scalar_subquery()
    return select(names.c.name, number).where(names.c.name.is_not(None))
