"""The one write transaction: a burst of signed certificates and events becomes the next stretch of the log, or nothing.

Everything happens under the lock on the log's head, where nobody else writes: what is read is what stands until the
commit, positions follow each other without a gap, and the order of the log is the order of time. So there are no
savepoints, no ON CONFLICT and no RETURNING; the UNIQUE constraints only guard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from linecert.contract import refusal
from linecert.transparency import Frontier, Node, canonical_json, leaf_hash
from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import CertificateRecord, EventRecord
from linecert_service.domain.requests import SignedCertificate
from linecert_service.store.backend import Row, Writer
from linecert_service.store.classify import Answered, New, classify
from linecert_service.store.issuers import Issuers
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.log_guard import LogInconsistent
from linecert_service.store.lookup import standing_for
from linecert_service.store.rows import issuer_row, row_of
from linecert_service.store.standing import Stand, Standing

LEAF_VERSION: Final = 1

Entry = SignedCertificate | NewEvent
"""What may be appended."""


@dataclass(frozen=True, slots=True)
class Head:
    """The log as the append left it, or found it.

    Attributes:
        size: how many leaves.
        last_at: microseconds since 1970 of the last leaf; no later one is earlier.
        root: the Merkle tree's root.
    """

    size: int
    last_at: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    Attributes:
        outcomes: for each entry that was a certificate, in order, what answers it: the stand, or the refusal.
        head: the log afterwards.
    """

    outcomes: list[Answered | Refused]
    head: Head


@dataclass(slots=True)
class Attempt:
    """What an append was about to commit when it failed: a reply to the COMMIT may have been lost.

    Attributes:
        appended: its outcome, if the commit was made; None before the first.
    """

    appended: Appended | None = None


@dataclass(slots=True)
class _Stretch:
    """The part of the log that one transaction adds."""

    frontier: Frontier
    at: int
    certificates: list[CertificateRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def add_certificate(self, signed: SignedCertificate, new: New) -> CertificateRecord:
        record = _record(signed, new, self.frontier.size, self.at)
        self._add_leaf(leaf_of_certificate(record))
        self.certificates.append(record)
        if new.work_order is not None:
            counts = self.counts.setdefault(new.work_order, [0, 0])
            counts[new.generation > 1] += 1
        return record

    def add_event(self, event: NewEvent) -> None:
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

    def _add_leaf(self, leaf: bytes) -> None:
        self.nodes += self.frontier.append(leaf_hash(leaf))


def append(
    writer: Writer,
    issuers: Issuers,
    entries: Sequence[Entry],
    now: float,
    *,
    seen: Head | None = None,
    attempt: Attempt | None = None,
) -> Appended:
    """Append what of `entries` may be appended, in one transaction, and return when it is on disk.

    Certificates that lose against what stands, or against an earlier one of the same burst, become a `discarded`
    event each. When this raises, nothing was appended, unless the reply to the COMMIT was lost; the same entries may
    be appended again in either case.

    Args:
        writer: the connection.
        issuers: the store's numbers for issuers.
        entries: certificates and events, in the order that they are to have.
        now: seconds since 1970, UTC.
        seen: the log as this process saw it last; it must not have gone back since.
        attempt: of the same entries before; filled in for the next one.

    Raises:
        LogInconsistent: it has.
        Exception: the driver's errors.
    """
    try:
        # 1. Take the lock.
        size, last_at, frontier, root = writer.begin()
        _check_seen(seen, size, root)
        attempt = attempt or Attempt()
        if attempt.appended and (size, root) == (attempt.appended.head.size, attempt.appended.head.root):
            writer.rollback()
            return attempt.appended
        stretch = _Stretch(Frontier.from_bytes(size, frontier), max(last_at, int(now * 1_000_000)))
        signed = [entry for entry in entries if isinstance(entry, SignedCertificate)]
        # 2. Read what may decide.
        standing = standing_for(writer, issuers, [entry.claim for entry in signed])
        # 3. Classify and number.
        outcomes = [_settle(entry, standing, stretch, now) for entry in signed]
        for entry in entries:
            if isinstance(entry, NewEvent):
                stretch.add_event(entry)
        # 4. Write.
        rows = [row_of(record, issuers.id_of(record.issuer_sha256)) for record in stretch.certificates]
        head = _write(writer, stretch, rows)
        # 5. Make it durable.
        attempt.appended = Appended(outcomes, head)
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    return attempt.appended


def _check_seen(seen: Head | None, size: int, root: bytes) -> None:
    if seen and (size < seen.size or (size == seen.size and root != seen.root)):
        raise LogInconsistent(f"it had {seen.size} entries a moment ago, and has {size} that are not the same")


def add_issuer(writer: Writer, name: str, chain: Sequence[x509.Certificate], now: Callable[[], float]) -> bool:
    """Make sure that the store knows an issuer: its row, and an event that says so, in one transaction.

    Args:
        writer: the connection.
        name: as in `[issuers.NAME]`.
        chain: its certificate, those above it, the root last.
        now: gives the time, in seconds since 1970, UTC; asked only for an issuer that is new.

    Returns:
        Whether it was new to the store.

    Raises:
        Exception: the driver's errors.
    """
    sha256 = chain[0].fingerprint(SHA256())
    try:
        size, last_at, frontier, _root = writer.begin()
        known = {row[1]: row[0] for row in writer.issuers()}
        if sha256 in known:
            writer.rollback()
            return False
        stretch = _Stretch(Frontier.from_bytes(size, frontier), max(last_at, int(now() * 1_000_000)))
        number = max(known.values(), default=0) + 1
        writer.insert("issuers", [issuer_row(number, chain, stretch.at)])
        detail = canonical_json({"name": name, "certificate_sha256": sha256.hex()}).decode()
        stretch.add_event(NewEvent("issuer_added", detail=detail))
        _write(writer, stretch, [])
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    return True


def _settle(signed: SignedCertificate, standing: Standing, stretch: _Stretch, now: float) -> Answered | Refused:
    try:
        verdict = classify(signed.claim, standing, now, signed.serial)
    except Refused as error:
        error.registration_key = signed.claim.registration_key
        stretch.add_event(_discarded(signed, refusal(error.reason).name))
        return error
    if isinstance(verdict, Answered):
        if verdict.replayed:
            stretch.add_event(_discarded(signed, "REPLAYED"))
        return verdict
    record = stretch.add_certificate(signed, verdict)
    standing.add(record)
    return Answered(Stand(record), replayed=False)


def _write(writer: Writer, stretch: _Stretch, certificates: Sequence[Row]) -> Head:
    if certificates:
        writer.insert("certificates", certificates)
    if stretch.events:
        writer.insert("events", [_event_row(event) for event in stretch.events])
    if stretch.nodes:
        writer.insert("log_nodes", [(node.level, node.index, node.hash) for node in stretch.nodes])
    for order, (issued, replacements) in stretch.counts.items():
        writer.count_for_order(order, issued, replacements)
    head = Head(stretch.frontier.size, stretch.at, stretch.frontier.root())
    writer.write_head(head.size, head.last_at, stretch.frontier.to_bytes(), head.root)
    return head


def _record(signed: SignedCertificate, new: New, index: int, at: int) -> CertificateRecord:
    claim = signed.claim
    return CertificateRecord(
        log_index=index,
        leaf_version=LEAF_VERSION,
        serial=signed.serial,
        registration_id=claim.registration_id,
        registration_key=claim.registration_key,
        generation=new.generation,
        replacement_reason=claim.replacement_reason,
        replaces=new.replaces,
        station=claim.station,
        line=claim.line,
        request_id=claim.request_id,
        request_sha256=claim.request_sha256,
        work_order=new.work_order,
        lot=claim.lot,
        profile=claim.profile,
        attributes=claim.attributes,
        issuer_sha256=claim.issuer_sha256,
        not_before=claim.not_before,
        not_after=claim.not_after,
        issued_at=at,
        csr_sha256=claim.csr_sha256,
        spki_sha256=claim.spki_sha256,
        certificate_sha256=signed.certificate_sha256,
        certificate=signed.certificate,
    )


def _discarded(signed: SignedCertificate, reason: str) -> NewEvent:
    claim = signed.claim
    return NewEvent(
        kind="discarded",
        serial=signed.serial,
        registration_key=claim.registration_key,
        station=claim.station,
        reason=reason,
    )


def _event_row(event: EventRecord) -> tuple[object, ...]:
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
