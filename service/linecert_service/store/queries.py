"""What auditors and stations read. See `domain.ports.AuditReader`."""

from sqlalchemy import Select

from linecert_service.domain.ports import IssuanceFilter, Page
from linecert_service.domain.records import Issued
from linecert_service.store.answers import issued_of
from linecert_service.store.backend import Backend
from linecert_service.store.conditions import WITH_NEXT, C, conditions_of, stretch_of
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.rows import stand_of
from linecert_service.store.scan import Scan
from linecert_service.store.stretch import Stretch


class StoreReader:
    """Reads certificates from the store."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def by_serial(self, serial: bytes) -> Issued | None:
        """The certificate with this serial number."""
        return await self._one(WITH_NEXT.where(C.serial == serial))

    async def by_request(self, station: str, request_id: str) -> Issued | None:
        """What was issued for this request of this station."""
        return await self._one(WITH_NEXT.where(C.station == station, C.request_id == request_id))

    async def newest_of(self, registration_key: str) -> Issued | None:
        """The device's newest certificate."""
        newest = WITH_NEXT.where(C.registration_key == registration_key).order_by(C.generation.desc()).limit(1)
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
        scan = Scan(conditions_of(wanted, self._backend.contains, now), newest_first=True)
        with self._backend.engine.begin() as connection:
            stretch = stretch_of(connection, wanted)
            if before is not None:
                stretch = Stretch(stretch.low, min(stretch.high, before))
            step = scan.step(connection, stretch, size)
        issued = [issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) for row in step.rows]
        return Page(issued, None if step.rest.empty else step.rest.high)
