"""What auditors read of the store, put together."""

from dataclasses import dataclass
from typing import Self

from linecert_service.store.backend import Backend
from linecert_service.store.event_queries import StoreEventReader
from linecert_service.store.exports import StoreExportReader
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_reader import StoreLogReader
from linecert_service.store.queries import StoreReader
from linecert_service.store.readers import Readers
from linecert_service.store.summaries import StoreSummaryReader


@dataclass(frozen=True, slots=True)
class AuditReaders:
    """The readers of the store; each answers to a port of `domain.ports`."""

    certificates: StoreReader
    exports: StoreExportReader
    summaries: StoreSummaryReader
    events: StoreEventReader
    log: StoreLogReader

    @classmethod
    def of(cls, backend: Backend, issuers: Issuers, readers: Readers) -> Self:
        """The readers of a database, which share the threads of `readers`."""
        return cls(
            certificates=StoreReader(backend, issuers, readers),
            exports=StoreExportReader(backend, issuers, readers),
            summaries=StoreSummaryReader(backend, readers),
            events=StoreEventReader(backend, readers),
            log=StoreLogReader(backend, issuers, readers),
        )
