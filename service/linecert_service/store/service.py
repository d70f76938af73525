"""The audit store as the rest of the service gets it: opened in one place, closed in one place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sqlalchemy import select

from linecert.transparency import NoteSigner
from linecert_service.domain.clock import Clock
from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.committer import Committer, Watcher
from linecert_service.store.issuers import Issuers
from linecert_service.store.ledger import StoreLedger
from linecert_service.store.queries import StoreReader
from linecert_service.store.readers import Readers
from linecert_service.store.schema import LOG_HEAD

MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of the audit store.

    Attributes:
        issuers: the issuers that it knows.
        committer: appends.
        ledger: decides without writing.
        reader: reads what was issued.
        checkpoints: signed statements of the log's size.
        log_time: of the log's last leaf when the store was opened, in seconds since 1970.
    """

    issuers: Issuers
    committer: Committer
    ledger: StoreLedger
    reader: StoreReader
    checkpoints: Checkpoints
    log_time: float
    _backend: Backend
    _readers: Readers

    @classmethod
    def open(cls, url: str, note_signer: NoteSigner, published: Path, clock: Clock, watcher: Watcher) -> Self:
        """Open the database at `url`, and bring its schema up to date.

        Args:
            url: of the database.
            note_signer: the log's own key.
            published: the file that checkpoints are appended to.
            clock: the time.
            watcher: told how the store does.

        Raises:
            SQLAlchemyError: it cannot be opened.
            ConfigurationError: its schema is not this version's, or its driver is not there.
        """
        backend = backend_for(url)
        backend.prepare()
        with backend.engine.begin() as connection:
            last_at = connection.scalar(select(LOG_HEAD.c.last_at)) or 0
        issuers = Issuers(backend.engine)
        readers = Readers(backend.engine)
        checkpoints = Checkpoints(backend.engine, note_signer, published, clock)
        return cls(
            issuers=issuers,
            committer=Committer(backend, issuers, checkpoints, clock, watcher),
            ledger=StoreLedger(backend, issuers, readers),
            reader=StoreReader(backend, issuers, readers),
            checkpoints=checkpoints,
            log_time=last_at / MICROSECONDS,
            _backend=backend,
            _readers=readers,
        )

    async def check(self) -> None:
        """Look whether the database answers.

        Raises:
            StoreUnavailable: it does not.
        """
        await self._readers.run(self._look)

    async def maintain(self) -> None:
        """What is to be done every second or so.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        await self._readers.run(self._backend.maintain)

    async def close(self, patience: float) -> None:
        """Record what was submitted, and close; wait at most `patience` seconds for a database that cannot write."""
        await self.committer.close(patience)
        self._readers.close()
        self._backend.close()

    def _look(self) -> None:
        with self._backend.engine.begin() as connection:
            connection.execute(select(LOG_HEAD.c.size))
