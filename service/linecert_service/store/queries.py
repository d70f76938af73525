"""What auditors and stations read. See `domain.ports.AuditReader`."""

from typing import Any, Final

from sqlalchemy import Select, bindparam

from linecert_service.domain.ports import IssuanceFilter, Page
from linecert_service.domain.records import Issued
from linecert_service.store.answers import issued_of
from linecert_service.store.backend import Backend
from linecert_service.store.conditions import WITH_NEXT, C, conditions_of, stretch_of
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.rows import stand_of
from linecert_service.store.scan import Scan
from linecert_service.store.stretch import NO_END

# Made once: SQLAlchemy takes longer to put such a statement together than SQLite to answer it.
_BY_SERIAL: Final = WITH_NEXT.where(C.serial == bindparam("serial"))
_BY_REQUEST: Final = WITH_NEXT.where(C.station == bindparam("station"), C.request_id == bindparam("request_id"))
_NEWEST_OF: Final = WITH_NEXT.where(C.registration_key == bindparam("key")).order_by(C.generation.desc()).limit(1)


class StoreReader:
    """Reads certificates from the store."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def by_serial(self, serial: bytes) -> Issued | None:
        """The certificate with this serial number."""
        return await self._one(_BY_SERIAL, serial=serial)

    async def by_request(self, station: str, request_id: str) -> Issued | None:
        """What was issued for this request of this station."""
        return await self._one(_BY_REQUEST, station=station, request_id=request_id)

    async def newest_of(self, registration_key: str) -> Issued | None:
        """The device's newest certificate."""
        return await self._one(_NEWEST_OF, key=registration_key)

    async def page(self, wanted: IssuanceFilter, before: int | None, size: int, now: float) -> Page:
        """At most `size` certificates below the log index `before`, newest first."""
        return await self._readers.run(lambda: self._page(wanted, before, size, now))

    async def _one(self, query: Select[Any], **values: object) -> Issued | None:
        return await self._readers.run(lambda: self._first(query, values))

    def _first(self, query: Select[Any], values: dict[str, object]) -> Issued | None:
        with self._backend.asking() as connection:
            row = connection.execute(query, values).first()
        return issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) if row else None

    def _page(self, wanted: IssuanceFilter, before: int | None, size: int, now: float) -> Page:
        conditions = conditions_of(wanted, self._backend.contains, now)
        scan = Scan(conditions, newest_first=True)
        if before is None and conditions.driver is not None:
            # The index leads to the newest: where the log ends need not be known.
            before = NO_END
        with self._backend.asking() as connection:
            stretch = stretch_of(connection, wanted, before)
            step = scan.step(connection, stretch, size)
        issued = [issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) for row in step.rows]
        return Page(issued, None if step.rest.empty else step.rest.high)
