"""What auditors and stations read. See `domain.ports.AuditReader`."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from linecert.transparency import canonical_json
from linecert_service.domain.ports import IssuanceFilter, Page
from linecert_service.domain.records import Issued, State
from linecert_service.store.answers import issued_of
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.rows import stand_of
from linecert_service.store.schema import CERTIFICATES, LOG_HEAD

SCAN_POSITIONS: Final = 50_000
"""How much of the log a page looks at when no index leads to all that it wants."""

_C = CERTIFICATES.c
_NEXT = CERTIFICATES.alias("next")
_WITH_NEXT: Final = select(CERTIFICATES, _NEXT.c.serial, _NEXT.c.replacement_reason).select_from(
    CERTIFICATES.outerjoin(
        _NEXT, and_(_NEXT.c.registration_key == _C.registration_key, _NEXT.c.generation == _C.generation + 1)
    )
)
_LAST_CHARACTER: Final = "\U0010ffff"


class StoreReader:
    """Reads certificates from the store."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def by_serial(self, serial: bytes) -> Issued | None:
        """The certificate with this serial number."""
        return await self._one(_WITH_NEXT.where(_C.serial == serial))

    async def by_request(self, station: str, request_id: str) -> Issued | None:
        """What was issued for this request of this station."""
        return await self._one(_WITH_NEXT.where(_C.station == station, _C.request_id == request_id))

    async def newest_of(self, registration_key: str) -> Issued | None:
        """The device's newest certificate."""
        newest = _WITH_NEXT.where(_C.registration_key == registration_key).order_by(_C.generation.desc()).limit(1)
        return await self._one(newest)

    async def page(self, wanted: IssuanceFilter, before: int | None, size: int, now: float) -> Page:
        """At most `size` certificates below the log index `before`, newest first."""
        return await self._readers.run(lambda: self._page(wanted, before, size, now))

    async def _one(self, query: Select[tuple[object, ...]]) -> Issued | None:
        return await self._readers.run(lambda: self._first(query))

    def _first(self, query: Select[tuple[object, ...]]) -> Issued | None:
        with self._backend.engine.begin() as connection:
            row = connection.execute(query).first()
        return issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) if row else None

    def _page(self, wanted: IssuanceFilter, before: int | None, size: int, now: float) -> Page:
        with self._backend.engine.begin() as connection:
            low, high = _bounds(connection, wanted, before)
            floor = low if _indexed(wanted) else max(low, high - SCAN_POSITIONS)
            conditions = _conditions(wanted, self._backend.contains, now)
            query = _WITH_NEXT.where(_C.log_index >= floor, _C.log_index < high, *conditions)
            rows = connection.execute(query.order_by(_C.log_index.desc()).limit(size)).all()
        issued = [issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) for row in rows]
        if len(rows) == size:
            # Not further down than the last one given.
            floor = issued[-1].record.log_index
        return Page(issued, floor if floor > low else None)


def _bounds(connection: Connection, wanted: IssuanceFilter, before: int | None) -> tuple[int, int]:
    """The half-open stretch of the log that can hold what is wanted: time order is log order."""
    high = connection.scalar(select(LOG_HEAD.c.size)) or 0
    low = 0
    if wanted.start_time is not None:
        low = max(low, _first_at(connection, wanted.start_time, high))
    if wanted.end_time is not None:
        high = min(high, _first_at(connection, wanted.end_time, high))
    if wanted.after_log_index is not None:
        low = max(low, wanted.after_log_index + 1)
    return low, high if before is None else min(high, before)


def _first_at(connection: Connection, time: int, otherwise: int) -> int:
    """The first index of a certificate issued at `time` (microseconds) or later."""
    query = select(_C.log_index).where(_C.issued_at >= time).order_by(_C.issued_at, _C.log_index).limit(1)
    found = connection.scalar(query)
    return otherwise if found is None else found


def _indexed(wanted: IssuanceFilter) -> bool:
    """Whether an index, or nothing at all, leads to what is wanted and to nothing else."""
    unindexed = (
        wanted.registration_key_prefix,
        wanted.lot,
        wanted.profile,
        wanted.state,
        *wanted.attributes,
    )
    # With two equal conditions an index serves one, and the other is a scan.
    equals = {wanted.visible_to, wanted.station, wanted.line, wanted.work_order} - {None}
    return all(value is None for value in unindexed) and len(equals) <= 1


def _conditions(
    wanted: IssuanceFilter, contains: Callable[[ColumnElement[str], str], ColumnElement[bool]], now: float
) -> list[ColumnElement[bool]]:
    equal = (
        (_C.station, wanted.visible_to),
        (_C.station, wanted.station),
        (_C.line, wanted.line),
        (_C.work_order, wanted.work_order),
        (_C.lot, wanted.lot),
        (_C.profile, wanted.profile),
        (_C.registration_key, wanted.registration_key),
        (_C.spki_sha256, wanted.spki_sha256),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if wanted.registration_key_prefix is not None:
        prefix = wanted.registration_key_prefix
        conditions += [_C.registration_key >= prefix, _C.registration_key < prefix + _LAST_CHARACTER]
    # RFC 8785 writes a member in one way only, and escapes the quotes inside a value: no other text holds these.
    conditions += [contains(_C.attributes, member) for member in map(_member, wanted.attributes)]
    if wanted.state is not None:
        conditions.append(_in_state(wanted.state, int(now)))
    return conditions


def _member(attribute: tuple[str, str]) -> str:
    name, value = attribute
    return canonical_json({name: value}).decode()[1:-1]


def _in_state(state: State, now: int) -> ColumnElement[bool]:
    match state:
        case State.REPLACED:
            return _NEXT.c.serial.is_not(None)
        case State.EXPIRED:
            return and_(_NEXT.c.serial.is_(None), _C.not_after < now)
        case State.ACTIVE:
            return and_(_NEXT.c.serial.is_(None), _C.not_after >= now)
