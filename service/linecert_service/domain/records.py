"""What the audit store holds, as the rest of the service sees it.

Times are seconds since 1970, UTC; `issued_at` and `at` are microseconds.
"""

import enum
from dataclasses import dataclass


class State(enum.Enum):
    """What a certificate is worth now; REPLACED outranks EXPIRED."""

    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """One row of `certificates`: a certificate that left the CA. Field for field the columns of the store."""

    log_index: int
    leaf_version: int
    serial: bytes
    registration_id: str
    registration_key: str
    generation: int
    replacement_reason: str | None
    replaces: bytes | None
    station: str
    line: str
    request_id: str
    request_sha256: bytes
    work_order: str | None
    lot: str | None
    profile: str
    attributes: str | None
    issuer_sha256: bytes
    not_before: int
    not_after: int
    issued_at: int
    csr_sha256: bytes
    spki_sha256: bytes
    certificate_sha256: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """A record with what later records say of it.

    Attributes:
        record: the row.
        replaced_by: serial of the certificate that replaced it.
        chain: DER of the issuer's certificate, the intermediates above it, and the root last.
    """

    record: CertificateRecord
    replaced_by: bytes | None
    chain: tuple[bytes, ...]

    def state(self, now: float) -> State:
        """The state at `now`, in seconds since 1970; the second that notAfter names is part of the validity."""
        if self.replaced_by is not None:
            return State.REPLACED
        return State.EXPIRED if self.record.not_after < int(now) else State.ACTIVE


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One row of `events`: what happened beside issuing. Unset columns are None; `detail` is RFC 8785 JSON."""

    log_index: int
    leaf_version: int
    kind: str
    serial: bytes | None
    registration_key: str | None
    station: str | None
    actor: str | None
    reason: str | None
    detail: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer of an append: `issued` is on disk; `replayed` when it was there before."""

    issued: Issued
    replayed: bool
