"""Reads the transparency log: checkpoints, proofs, entries. See `domain.ports.LogReader`."""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Connection, select

from linecert.transparency import ProofError
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import Inclusion, LogEntry, SignedCheckpoint
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_tree import LogTree
from linecert_service.store.readers import Readers
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS

CHUNK: Final = 256
"""Entries at a time: some 400 KiB as a rule, below 3 MiB with the largest keys and attributes.

Clients take messages of up to 4 MiB by default.
"""

RETRY_AFTER_SECONDS: Final = 60.0

_T = TypeVar("_T")


class StoreLogReader:
    """Reads the log from the store; each step in a short transaction of its own."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def newest_checkpoint(self, at_most: int | None = None) -> SignedCheckpoint | None:
        """The newest checkpoint, or the newest of a log of `at_most` leaves."""
        return await self._readers.run(lambda: self._newest_checkpoint(at_most))

    async def index_of(self, serial: bytes, visible_to: str | None) -> int | None:
        """Where the certificate with this serial number stands."""
        return await self._readers.run(lambda: self._index_of(serial, visible_to))

    async def inclusion(self, index: int, size: int, visible_to: str | None) -> Inclusion | None:
        """The proof for leaf `index` in the tree of `size` leaves."""
        return await self._proof(lambda: self._inclusion(index, size, visible_to))

    async def consistency(self, from_size: int, to_size: int) -> Sequence[bytes]:
        """The proof that the log of `from_size` leaves is the beginning of that of `to_size`."""
        return await self._proof(lambda: self._consistency(from_size, to_size))

    async def entries(self, start: int, stop: int) -> AsyncGenerator[Sequence[LogEntry], None]:
        """The entries from `start` to `stop - 1`, some at a time."""
        for at in range(start, stop, CHUNK):
            yield await self._readers.run(partial(self._entries, at, min(at + CHUNK, stop)))

    async def _proof(self, make: Callable[[], _T]) -> _T:
        try:
            return await self._readers.run(make)
        except ProofError as error:
            raise Refused(
                reasons.ERROR_REASON_LOG_INCONSISTENT,
                "entries that the log has signed for are missing in the store, and without them there is no proof: "
                "call the operator",
                retry_after=RETRY_AFTER_SECONDS,
            ) from error

    def _newest_checkpoint(self, at_most: int | None) -> SignedCheckpoint | None:
        query = select(CHECKPOINTS.c.size, CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size.desc()).limit(1)
        if at_most is not None:
            query = query.where(CHECKPOINTS.c.size <= at_most)
        with self._backend.asking() as connection:
            row = connection.execute(query).first()
        return SignedCheckpoint(*row) if row else None

    def _index_of(self, serial: bytes, visible_to: str | None) -> int | None:
        query = select(CERTIFICATES.c.log_index).where(CERTIFICATES.c.serial == serial, *_visible(visible_to))
        with self._backend.asking() as connection:
            return connection.scalar(query)

    def _inclusion(self, index: int, size: int, visible_to: str | None) -> Inclusion | None:
        with self._backend.asking() as connection:
            if not _is_visible(connection, index, visible_to):
                return None
            tree = self._tree(connection)
            entries = tree.entries(index, index + 1)
            if not entries:
                raise ProofError(f"entry {index} is missing in the store")
            return Inclusion(entries[0].leaf, tree.inclusion(index, size))

    def _consistency(self, from_size: int, to_size: int) -> Sequence[bytes]:
        with self._backend.asking() as connection:
            return self._tree(connection).consistency(from_size, to_size)

    def _entries(self, start: int, stop: int) -> Sequence[LogEntry]:
        with self._backend.asking() as connection:
            return self._tree(connection).entries(start, stop)

    def _tree(self, connection: Connection) -> LogTree:
        return LogTree(connection, self._issuers.sha256_of)


def _visible(visible_to: str | None) -> Sequence[ColumnElement[bool]]:
    return () if visible_to is None else (CERTIFICATES.c.station == visible_to,)


def _is_visible(connection: Connection, index: int, visible_to: str | None) -> bool:
    if visible_to is None:
        return True
    query = select(CERTIFICATES.c.log_index).where(CERTIFICATES.c.log_index == index, *_visible(visible_to))
    return connection.scalar(query) is not None
