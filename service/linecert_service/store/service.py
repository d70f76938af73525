"""The audit store as the rest of the service gets it: opened in one place, closed in one place."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import select

from linecert.transparency import VerifierKey
from linecert_service.domain.clock import Clock, ClockGuard
from linecert_service.domain.errors import ConfigurationError
from linecert_service.store.append import add_issuer
from linecert_service.store.appender import Appender
from linecert_service.store.audit import AuditReaders
from linecert_service.store.backend import Backend
from linecert_service.store.backends import as_sentence, backend_for
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.committer import Committer
from linecert_service.store.epochs import note_signer
from linecert_service.store.growth import MICROSECONDS
from linecert_service.store.issued_counts import StoreIssuedCounts
from linecert_service.store.issuers import Issuers
from linecert_service.store.ledger import StoreLedger
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.profile_log import StoreProfileLog
from linecert_service.store.readers import Readers
from linecert_service.store.rows import join_chain, split_chain
from linecert_service.store.schema import LOG_HEAD
from linecert_service.store.station_log import StoreStationLog
from linecert_service.store.watcher import Watcher
from linecert_service.store.work_orders import StoreWorkOrders

LOOK_UP_THREADS: Final = 3
AUDIT_THREADS: Final = 3
AUDIT_QUEUE: Final = 32
"""How many audit reads wait at most: they must not hold up what is issued, nor the health of the service."""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """What a log is signed with, and where its checkpoints are kept beside the database.

    Attributes:
        name: NAME of its origin `NAME/EPOCH`.
        key: of its current epoch.
        guard: remembers the newest checkpoint.
        published: the file that checkpoints are appended to.
    """

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    guard: LogGuard
    published: Path


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of the audit store.

    Attributes:
        issuers: the issuers that it knows.
        committer: appends.
        ledger: decides without writing.
        audit: reads what was issued and what else happened.
        issued: counts what stations got.
        work_orders: changes work orders, and reads them.
        stations: reads how stations have changed.
        profiles: records how profiles change.
        verifier_key: verifies the checkpoints that this server signs; its name is the log's origin.
        checkpoints: signed statements of the log's size.
    """

    issuers: Issuers
    committer: Committer
    ledger: StoreLedger
    audit: AuditReaders
    issued: StoreIssuedCounts
    work_orders: StoreWorkOrders
    stations: StoreStationLog
    profiles: StoreProfileLog
    verifier_key: VerifierKey
    checkpoints: Checkpoints
    _backend: Backend
    _look_ups: Readers
    _audits: Readers
    _clock: ClockGuard

    @classmethod
    def open(cls, url: str, log: LogIdentity, *, clock: Clock, guard: ClockGuard, watcher: Watcher) -> Self:
        """Open the database at `url`, and bring its schema up to date.

        Args:
            url: of the database.
            log: what it is signed with.
            clock: the time.
            guard: the wall clock, as far as it may be trusted; it learns the log's time here.
            watcher: told how the store does.

        Raises:
            SQLAlchemyError: it cannot be opened.
            ConfigurationError: its schema is not this version's, its driver is not there, or the key is that of
                another epoch.
        """
        backend = backend_for(url)
        backend.prepare()
        with backend.engine.begin() as connection:
            last_at = connection.scalar(select(LOG_HEAD.c.last_at)) or 0
            signer = note_signer(connection, log.name, log.key)
        guard.saw(last_at / MICROSECONDS)
        issuers = Issuers(backend.engine)
        issuers.read()
        checkpoints = Checkpoints(
            backend.engine, issuers, signer=signer, guard=log.guard, published=log.published, clock=clock
        )
        checkpoints.read()
        appender = Appender(backend, issuers, checkpoints, clock=clock, guard=guard, watcher=watcher)
        committer = Committer(appender, checkpoints, clock, watcher)
        look_ups, audits = Readers(backend.engine, LOOK_UP_THREADS), Readers(backend.engine, AUDIT_THREADS, AUDIT_QUEUE)
        return cls(
            issuers=issuers,
            committer=committer,
            ledger=StoreLedger(backend, issuers, look_ups),
            audit=AuditReaders.of(backend, issuers, audits),
            work_orders=StoreWorkOrders(backend, committer, audits),
            issued=StoreIssuedCounts(backend, look_ups),
            stations=StoreStationLog(backend, look_ups),
            profiles=StoreProfileLog(backend, look_ups, guard),
            verifier_key=signer.verifier_key,
            checkpoints=checkpoints,
            _backend=backend,
            _look_ups=look_ups,
            _audits=audits,
            _clock=guard,
        )

    def add_issuer(self, name: str, chain: Sequence[x509.Certificate]) -> None:
        """Make sure that the store knows an issuer, before anything is signed with it. Blocks; any thread may call it.

        Raises:
            ConfigurationError: the database does not take it, or has another chain for the same certificate.
            Refused: CLOCK_UNTRUSTED.
        """
        try:
            with contextlib.closing(self._backend.writer()) as writer:
                add_issuer(writer, name, chain, self._clock.now)
            self.issuers.read()
        except self._look_ups.errors as error:
            raise as_sentence(error) from error
        if split_chain(join_chain(chain)) != self.issuers.chain_of(chain[0].fingerprint(SHA256())):
            raise ConfigurationError(
                f"issuers.{name}.chain: certificates were issued with another chain above this issuer's certificate, "
                "and a request that is repeated gets the chain of the first answer: put the old chain back, or have "
                "the issuer's certificate made anew"
            )

    def prove(self) -> None:
        """Prove that the log begins with what this server remembers of it.

        Raises:
            LogInconsistent: it does not.
            SQLAlchemyError: the database does not answer.
        """
        self.checkpoints.prove()

    async def check(self) -> None:
        """Look whether the database answers, and whether what is to be recorded is recorded.

        Raises:
            StoreUnavailable: it does not.
        """
        self.committer.check()
        await self._look_ups.run(self._look)

    async def maintain(self) -> None:
        """What is to be done every `backend.MAINTAIN_SECONDS`.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        await self._look_ups.run(self._backend.maintain)

    async def close(self, patience: float) -> None:
        """Record what was submitted, and close; wait at most `patience` seconds for a database that cannot write."""
        await self.committer.close(patience)
        self._look_ups.close()
        self._audits.close()
        self._backend.close()

    def _look(self) -> None:
        with self._backend.engine.begin() as connection:
            connection.execute(select(LOG_HEAD.c.size)).scalar_one()
