"""Goes through the certificates that match a filter, in steps whose cost is bounded, whatever the filter.

Which index leads is decided here and not left to the planners: SQLite's knows nothing of the data, and PostgreSQL's
believes that what matches is spread evenly over the log, which for a station that was taken down a year ago it is not.
So the positions come from a subquery that an index answers alone, and the rows by their positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from linecert_service.store.backend import Row
from linecert_service.store.conditions import WITH_NEXT, C, Conditions
from linecert_service.store.stretch import Stretch

SCAN: Final = 50_000
"""How many entries a step looks at, one after the other, when no index leads."""

LED_SCAN: Final = 10_000
"""How many it looks at where an index leads from one to the next, and other conditions leave some out."""

FEW: Final = 1_000
"""Up to how many certificates of devices with a prefix are looked up one by one."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step found: rows of `WITH_NEXT`, and what of the stretch is still to be looked at."""

    rows: Sequence[Row]
    rest: Stretch


class Scan:
    """A way through the log.

    Args:
        conditions: what is wanted.
        newest_first: the direction.
    """

    def __init__(self, conditions: Conditions, *, newest_first: bool) -> None:
        self._conditions = conditions
        self._newest_first = newest_first
        self._order = C.log_index.desc() if newest_first else C.log_index.asc()

    def step(self, connection: Connection, stretch: Stretch, size: int) -> Step:
        """At most `size` rows from the near end of the stretch. Raises SQLAlchemy's errors."""
        if stretch.empty:
            return Step([], stretch)
        positions, rest = self._positions(connection, stretch, size)
        query = WITH_NEXT.where(positions, *self._conditions.others).order_by(self._order).limit(size)
        rows = [tuple(row) for row in connection.execute(query)]
        # Where the step was full, there may be more before the end of what it looked at.
        return Step(rows, self._beyond(stretch, rows[-1][0]) if len(rows) == size else rest())

    def _positions(
        self, connection: Connection, stretch: Stretch, size: int
    ) -> tuple[ColumnElement[bool], Callable[[], Stretch]]:
        """Where to look in this step; and what is left then, which may take a query to say."""
        driver, others = self._conditions.driver, self._conditions.others
        if (few := self._few(connection)) is not None:
            conditions = [stretch.holds(C.log_index), C.log_index.in_(few)]
            return and_(*conditions if driver is None else (driver, *conditions)), lambda: Stretch(0, 0)
        if driver is not None:
            limit = LED_SCAN if others else size
            led = select(C.log_index).where(driver, stretch.holds(C.log_index)).order_by(self._order).limit(limit)
            if not others:
                # All that was led to is wanted: a page that came short was the last.
                return C.log_index.in_(led), lambda: Stretch(0, 0)
            return C.log_index.in_(led), lambda: self._after(connection, led, stretch, limit)
        near, far = self._split(stretch) if others else (stretch, Stretch(0, 0))
        return near.holds(C.log_index), lambda: far

    def _few(self, connection: Connection) -> Sequence[int] | None:
        """The positions of the devices with the prefix; None where no prefix is asked for, or many have it."""
        prefix = self._conditions.prefix
        if prefix is None:
            return None
        # In the order of the index, so that nothing else is used.
        query = select(C.log_index).where(prefix).order_by(C.registration_key).limit(FEW + 1)
        found = connection.scalars(query).all()
        return found if len(found) <= FEW else None

    def _after(self, connection: Connection, led: Select[tuple[int]], stretch: Stretch, limit: int) -> Stretch:
        """What is left beyond the positions that were led to."""
        positions = led.subquery().c.log_index
        furthest = func.min(positions) if self._newest_first else func.max(positions)
        count, reached = connection.execute(select(func.count(), furthest)).one()
        return self._beyond(stretch, reached) if count == limit else Stretch(0, 0)

    def _beyond(self, stretch: Stretch, position: int) -> Stretch:
        """What is left when everything up to `position` has been looked at."""
        return Stretch(stretch.low, position) if self._newest_first else Stretch(position + 1, stretch.high)

    def _split(self, stretch: Stretch) -> tuple[Stretch, Stretch]:
        """The part that a step may look at one by one, and the rest."""
        if self._newest_first:
            middle = max(stretch.low, stretch.high - SCAN)
            return Stretch(middle, stretch.high), Stretch(stretch.low, middle)
        middle = min(stretch.high, stretch.low + SCAN)
        return Stretch(stretch.low, middle), Stretch(middle, stretch.high)
