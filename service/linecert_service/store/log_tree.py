"""The Merkle tree over the stored rows: leaves made anew from them, subtrees from `log_nodes`, and proofs.

Everything here is made from the rows as they are now. A row that was altered gives proofs that do not verify; where
rows are missing no proof is made at all.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from linecert.transparency import ProofError, consistency_path, inclusion_path, leaf_hash, root_at, subtrees_from
from linecert.transparency.merkle import STORED_LEVELS
from linecert_service.domain.ports import LogEntry
from linecert_service.domain.records import EventRecord
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.rows import IssuerHash, record_of
from linecert_service.store.schema import CERTIFICATES, EVENTS, LOG_NODES

_BLOCK: Final = 1 << STORED_LEVELS[0]
"""Leaves below a subtree of the lowest level that is stored."""

# What reading a row can end with that somebody has altered by hand: other types, no JSON, a time beyond the years.
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class LogTree:
    """The tree as a connection sees it. Every method raises SQLAlchemy's errors.

    Args:
        connection: in a transaction of any kind: the log only grows.
        issuer_hash: gives an issuer's hash by its number.
    """

    def __init__(self, connection: Connection, issuer_hash: IssuerHash) -> None:
        self._connection = connection
        self._issuer_hash = issuer_hash
        self._subtree = subtrees_from(self._hashes)
        self._blocks: dict[int, dict[int, bytes]] = {}

    def entries(self, start: int, stop: int) -> list[LogEntry]:
        """The entries `start` to `stop - 1` in their order; what is missing or cannot be read is left out."""
        try:
            return self._entries(start, stop)
        except _UNREADABLE:
            if stop - start == 1:
                return []
            # Halving leaves out the one row, and not those around it.
            middle = (start + stop) // 2
            return self.entries(start, middle) + self.entries(middle, stop)

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` leaves.

        Raises:
            ProofError: leaves are missing.
        """
        return root_at(size, self._subtree)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that leaf `index` is in the tree of `size` leaves.

        Raises:
            ProofError: the tree has no such leaf, or leaves are missing.
        """
        return inclusion_path(index, size, self._subtree)

    def consistency(self, from_size: int, to_size: int) -> list[bytes]:
        """The proof that the tree of `from_size` leaves is the beginning of that of `to_size`.

        Raises:
            ProofError: the sizes are out of order, or leaves are missing.
        """
        return consistency_path(from_size, to_size, self._subtree)

    def _entries(self, start: int, stop: int) -> list[LogEntry]:
        certificates = select(CERTIFICATES).where(CERTIFICATES.c.log_index.between(start, stop - 1))
        events = select(EVENTS).where(EVENTS.c.log_index.between(start, stop - 1))
        found = [self._certificate_entry(row) for row in self._connection.execute(certificates)]
        found += [_event_entry(EventRecord(*row)) for row in self._connection.execute(events)]
        return sorted(found, key=lambda entry: entry.log_index)

    def _certificate_entry(self, row: Sequence[object]) -> LogEntry:
        record = record_of(row, self._issuer_hash)
        return LogEntry(record.log_index, leaf_of_certificate(record), record.certificate)

    def _hashes(self, level: int, start: int, stop: int) -> Iterable[bytes]:
        hashes = self._leaf_hashes(start, stop) if level == 0 else self._node_hashes(level, start, stop)
        if len(hashes) != stop - start:
            raise ProofError(f"of the hashes {start} to {stop - 1} of level {level} some are missing in the store")
        return hashes

    def _leaf_hashes(self, start: int, stop: int) -> Sequence[bytes]:
        # All that a proof asks for below the lowest stored level lies in two blocks, in many small pieces.
        block = start // _BLOCK
        if block not in self._blocks:
            entries = self.entries(block * _BLOCK, (block + 1) * _BLOCK)
            self._blocks[block] = {entry.log_index: leaf_hash(entry.leaf) for entry in entries}
        return [self._blocks[block][index] for index in range(start, stop) if index in self._blocks[block]]

    def _node_hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        nodes = LOG_NODES.c
        query = select(nodes.hash).where(nodes.level == level, nodes.idx.between(start, stop - 1)).order_by(nodes.idx)
        return self._connection.scalars(query).all()


def _event_entry(event: EventRecord) -> LogEntry:
    return LogEntry(event.log_index, leaf_of_event(event), None)
