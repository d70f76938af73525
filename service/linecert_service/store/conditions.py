"""From a filter to SQL: conditions, and which of them an index serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from linecert.transparency import canonical_json
from linecert_service.domain.ports import IssuanceFilter
from linecert_service.domain.records import State
from linecert_service.store.schema import CERTIFICATES
from linecert_service.store.stretch import Stretch, stretch_between

C: Final = CERTIFICATES.c

_NEXT: Final = CERTIFICATES.alias("next")

WITH_NEXT: Final[Select[Any]] = select(CERTIFICATES, _NEXT.c.serial, _NEXT.c.replacement_reason).select_from(
    CERTIFICATES.outerjoin(
        _NEXT, and_(_NEXT.c.registration_key == C.registration_key, _NEXT.c.generation == C.generation + 1)
    )
)
"""The rows that `rows.stand_of` reads."""

_LAST_CHARACTER: Final = "\U0010ffff"

Contains = Callable[[ColumnElement[str], str], ColumnElement[bool]]
"""The condition that a text stands somewhere in a column, in the database's dialect."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """A filter's conditions, without those that are a stretch of the log.

    Attributes:
        driver: the most selective one of those that an index serves in the order of the log; None without one.
        others: the rest.
        prefix: the one on the beginning of the registration ID, also in `others`. An index serves it in another order.
    """

    driver: ColumnElement[bool] | None
    others: Sequence[ColumnElement[bool]]
    prefix: ColumnElement[bool] | None

    @property
    def all(self) -> Sequence[ColumnElement[bool]]:
        """All of them."""
        return self.others if self.driver is None else (self.driver, *self.others)


def conditions_of(wanted: IssuanceFilter, contains: Contains, now: float) -> Conditions:
    """The conditions of a filter; `now` (seconds since 1970) decides on states."""
    indexed = _equalities(
        wanted,
        # The most selective first.
        registration_key=C.registration_key,
        spki_sha256=C.spki_sha256,
        work_order=C.work_order,
        visible_to=C.station,
        station=C.station,
        line=C.line,
    )
    others = [*indexed[1:], *_equalities(wanted, lot=C.lot, profile=C.profile)]
    prefix = None
    if (start := wanted.registration_key_prefix) is not None:
        prefix = has_prefix(C.registration_key, start)
        others.append(prefix)
    # RFC 8785 writes a member in one way only, and escapes the quotes inside a value: no other text holds these.
    others += [contains(C.attributes, member) for member in map(_member, wanted.attributes)]
    if wanted.state is not None:
        others.append(_in_state(wanted.state, int(now)))
    return Conditions(indexed[0] if indexed else None, others, prefix)


def has_prefix(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """The condition that the column, compared byte by byte, begins with `prefix`: a range, which an index serves."""
    return and_(column >= prefix, column < prefix + _LAST_CHARACTER)


def stretch_of(connection: Connection, wanted: IssuanceFilter, stop: int | None = None) -> Stretch:
    """Where in the log, before `stop`, that can stand which is wanted. Raises SQLAlchemy's errors."""
    stretch = stretch_between(connection, CERTIFICATES, wanted.start_time, wanted.end_time, stop)
    after = -1 if wanted.after_log_index is None else wanted.after_log_index
    return Stretch(max(stretch.low, after + 1), stretch.high)


def _equalities(wanted: IssuanceFilter, **columns: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """The conditions that the named fields of the filter, where they are set, are the columns' values."""
    values = [(column, getattr(wanted, name)) for name, column in columns.items()]
    return [column == value for column, value in values if value is not None]


def _member(attribute: tuple[str, str]) -> str:
    name, value = attribute
    return canonical_json({name: value}).decode()[1:-1]


def _in_state(state: State, now: int) -> ColumnElement[bool]:
    # A subquery for each row, not the outer join: PostgreSQL expects nearly every certificate to be replaced, and would
    # read all of the table to join it.
    later = CERTIFICATES.alias("later")
    replaced_by = (
        select(later.c.serial)
        .where(later.c.registration_key == C.registration_key, later.c.generation == C.generation + 1)
        .correlate(CERTIFICATES)
        .scalar_subquery()
    )
    match state:
        case State.REPLACED:
            return replaced_by.is_not(None)
        case State.EXPIRED:
            return and_(replaced_by.is_(None), C.not_after < now)
        case State.ACTIVE:
            return and_(replaced_by.is_(None), C.not_after >= now)
