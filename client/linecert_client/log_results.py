"""What the methods about the log, its events and its figures return."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple, Self

from linecert.v1 import audit_pb2


@dataclass(frozen=True, slots=True)
class LogInfo:
    """What the service says about its log.

    Attributes:
        origin: NAME/EPOCH.
        verifier_keys: C2SP signed-note verifier keys, the current one first.
    """

    origin: str
    verifier_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The proof that a leaf is in the tree (RFC 9162, section 2.1.3).

    Attributes:
        log_index: of the leaf.
        tree_size: of the tree.
        hashes: the path.
        leaf: the leaf's bytes, as hashed.
        checkpoint: the signed note of the tree, where the newest one was asked for; else empty.
    """

    log_index: int
    tree_size: int
    hashes: tuple[bytes, ...]
    leaf: bytes
    checkpoint: str

    @classmethod
    def from_proto(cls, answer: audit_pb2.GetInclusionProofResponse) -> Self:
        """Read the contract's message."""
        return cls(answer.log_index, answer.tree_size, tuple(answer.hashes), answer.leaf, answer.checkpoint)


class LogEntry(NamedTuple):
    """One leaf of the log.

    Attributes:
        log_index: its position.
        leaf: its bytes, as hashed.
        certificate: DER; empty for a leaf that is about no certificate.
    """

    log_index: int
    leaf: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The counts of one span of time and one station, line, work order or profile (`value`)."""

    bucket_start: datetime
    value: str
    issued: int
    replacements: int
    rejected: int

    @classmethod
    def from_proto(cls, row: audit_pb2.SummarizeIssuanceResponse.Row) -> Self:
        """Read the contract's message."""
        return cls(row.bucket_start.ToDatetime(tzinfo=UTC), row.value, row.issued, row.replacements, row.rejected)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened beside issuing.

    Attributes:
        actor: who did it, where that is not a station.
    """

    log_index: int
    kind: str
    time: datetime
    station: str
    actor: str
    registration_id: str
    serial_number: str
    reason: str
    detail: Mapping[str, str]

    @classmethod
    def from_proto(cls, event: audit_pb2.ListEventsResponse.Event) -> Self:
        """Read the contract's message."""
        return cls(
            event.log_index,
            event.kind,
            event.time.ToDatetime(tzinfo=UTC),
            event.station,
            event.actor,
            event.registration_id,
            event.serial_number,
            event.reason,
            MappingProxyType(dict(event.detail)),
        )
