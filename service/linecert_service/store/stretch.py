"""Parts of the log: time order is log order, so that a range of time is a range of positions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, select

from linecert_service.store.schema import CERTIFICATES, EVENTS, LOG_HEAD

NO_END: Final = (1 << 63) - 1
"""A position that no log reaches."""

_TIMES = {CERTIFICATES.name: CERTIFICATES.c.issued_at, EVENTS.name: EVENTS.c.at}


@dataclass(frozen=True, slots=True)
class Stretch:
    """The positions from `low` to `high` - 1."""

    low: int
    high: int

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return self.low >= self.high

    def holds(self, position: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition that a column lies in it."""
        return (position >= self.low) & (position < self.high)

    def parts(self, size: int) -> Iterator["Stretch"]:
        """Its parts of at most `size` positions, in their order."""
        for low in range(self.low, self.high, size):
            yield Stretch(low, min(low + size, self.high))


def stretch_between(
    connection: Connection, table: Table, start: int | None, end: int | None, stop: int | None = None
) -> Stretch:
    """Where the rows of a table can stand whose times are in [start, end) (microseconds; None: no bound).

    Args:
        connection: in a transaction of any kind.
        table: `certificates` or `events`.
        start: the first time.
        end: the time after the last one.
        stop: the position from which on nothing is wanted; None: where the log ends now.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    if stop is None:
        stop = connection.scalar(select(LOG_HEAD.c.size)) or 0
    low = 0 if start is None else _first_at(connection, table, start, stop)
    high = stop if end is None else _first_at(connection, table, end, stop)
    return Stretch(low, high)


def _first_at(connection: Connection, table: Table, time: int, otherwise: int) -> int:
    """The position of a table's first row at `time` or later."""
    times = _TIMES[table.name]
    query = select(table.c.log_index).where(times >= time).order_by(times, table.c.log_index).limit(1)
    found = connection.scalar(query)
    # What was appended since the log's size was read is not part of this.
    return otherwise if found is None else min(found, otherwise)
