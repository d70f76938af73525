"""Everything that matches a filter, oldest first. See `domain.ports.ExportReader`."""

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Final

from linecert_service.domain.ports import IssuanceFilter
from linecert_service.domain.records import Issued
from linecert_service.store.answers import issued_of
from linecert_service.store.backend import Backend
from linecert_service.store.conditions import conditions_of, stretch_of
from linecert_service.store.issuers import Issuers
from linecert_service.store.readers import Readers
from linecert_service.store.rows import stand_of
from linecert_service.store.scan import Scan
from linecert_service.store.stretch import Stretch

CHUNK: Final = 500
"""Certificates at a time: some 600 KiB as a rule, below 3 MiB with the largest keys and attributes.

Clients take messages of up to 4 MiB by default.
"""


class StoreExportReader:
    """Reads certificates in short transactions, one at a time.

    The end of the log is fixed at the beginning. As the log only grows, that makes a snapshot of what was issued,
    without a transaction that stays open for as long as a caller takes to read. What replaces a certificate is as of
    the moment when its row is read.
    """

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def issued(self, wanted: IssuanceFilter, now: float) -> AsyncGenerator[Sequence[Issued], None]:
        """What matches, oldest first and some at a time."""
        scan = Scan(conditions_of(wanted, self._backend.contains, now), newest_first=False)
        rest = await self._readers.run(partial(self._stretch, wanted))
        while not rest.empty:
            issued, rest = await self._readers.run(partial(self._read, scan, rest))
            if issued:
                yield issued

    def _stretch(self, wanted: IssuanceFilter) -> Stretch:
        with self._backend.asking() as connection:
            return stretch_of(connection, wanted)

    def _read(self, scan: Scan, stretch: Stretch) -> tuple[Sequence[Issued], Stretch]:
        with self._backend.asking() as connection:
            step = scan.step(connection, stretch, CHUNK)
        return [issued_of(stand_of(row, self._issuers.sha256_of), self._issuers) for row in step.rows], step.rest
