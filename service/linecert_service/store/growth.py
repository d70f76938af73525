"""The part of the log that one transaction adds: rows, leaves, tree nodes, head.

Under the lock on the log's head nobody else writes, so positions follow each other without a gap, and time is in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from linecert.transparency import Frontier, Node, leaf_hash
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import CertificateRecord, EventRecord
from linecert_service.store.backend import Row, Writer
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.log_guard import LogInconsistent

LEAF_VERSION: Final = 1

MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Head:
    """The log as a transaction left it, or found it.

    Attributes:
        size: how many leaves.
        last_at: microseconds since 1970 of the last leaf; no later one is earlier.
        root: the Merkle tree's root.
    """

    size: int
    last_at: int
    root: bytes


@dataclass(slots=True)
class Growth:
    """What a transaction adds to the log; nothing is written before `write`.

    Attributes:
        found: the log as the transaction found it.
        frontier: of the log as it grows.
        at: the time of its leaves, in microseconds since 1970.
    """

    found: Head
    frontier: Frontier
    at: int
    certificates: list[CertificateRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    @classmethod
    def begin(cls, writer: Writer, seen: Head | None = None) -> Self:
        """Start a transaction and take the lock.

        Args:
            writer: the connection.
            seen: the log as this process saw it last; it must not have gone back since.

        Raises:
            LogInconsistent: it has.
            Exception: the driver's errors.
        """
        size, last_at, frontier, root = writer.begin()
        if seen and (size < seen.size or (size == seen.size and root != seen.root)):
            raise LogInconsistent(f"it had {seen.size} entries a moment ago, and has {size} that are not the same")
        return cls(Head(size, last_at, root), Frontier.from_bytes(size, frontier), last_at)

    def date(self, now: float) -> None:
        """Give its leaves the time `now`, in seconds since 1970, UTC, or that of the last leaf if that is later."""
        self.at = max(self.found.last_at, int(now * MICROSECONDS))

    def add_certificate(self, record: CertificateRecord) -> None:
        """Take in a certificate, whose position is the frontier's size."""
        self._add_leaf(leaf_of_certificate(record))
        self.certificates.append(record)

    def add_event(self, event: NewEvent) -> EventRecord:
        """Take in an event; returns it with its place in the log."""
        record = EventRecord(
            log_index=self.frontier.size,
            leaf_version=LEAF_VERSION,
            kind=event.kind,
            serial=event.serial,
            registration_key=event.registration_key,
            station=event.station,
            actor=event.actor,
            reason=event.reason,
            detail=event.detail,
            at=self.at,
        )
        self._add_leaf(leaf_of_event(record))
        self.events.append(record)
        return record

    def write(self, writer: Writer, certificates: Sequence[Row] = ()) -> Head:
        """Write all of it; `certificates` are the rows of those that were taken in."""
        if certificates:
            writer.insert("certificates", certificates)
        if self.events:
            writer.insert("events", [event_row(event) for event in self.events])
        if self.nodes:
            writer.insert("log_nodes", [(node.level, node.index, node.hash) for node in self.nodes])
        head = Head(self.frontier.size, self.at, self.frontier.root())
        writer.write_head(head.size, head.last_at, self.frontier.to_bytes(), head.root)
        return head

    def _add_leaf(self, leaf: bytes) -> None:
        self.nodes += self.frontier.append(leaf_hash(leaf))


def event_row(event: EventRecord) -> Row:
    """The row that holds `event`."""
    return (
        event.log_index,
        event.leaf_version,
        event.kind,
        event.serial,
        event.registration_key,
        event.station,
        event.actor,
        event.reason,
        event.detail,
        event.at,
    )
