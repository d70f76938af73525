"""The one write transaction: a burst of signed certificates and events becomes the next stretch of the log, or nothing.

Everything happens under the lock on the log's head, where nobody else writes: what is read is what stands until the
commit, positions follow each other without a gap, and the order of the log is the order of time. So there are no
savepoints, no ON CONFLICT and no RETURNING; the UNIQUE constraints only guard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from linecert.contract import refusal
from linecert.transparency import canonical_json
from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import CertificateRecord, EventRecord
from linecert_service.domain.requests import SignedCertificate
from linecert_service.store.backend import Writer
from linecert_service.store.classify import Answered, New, classify
from linecert_service.store.growth import LEAF_VERSION, Growth, Head, event_row
from linecert_service.store.issuers import Issuers
from linecert_service.store.lookup import standing_for
from linecert_service.store.rows import issuer_row, row_of
from linecert_service.store.standing import Stand, Standing

Entry = SignedCertificate | NewEvent
"""What may be appended."""


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
        event: the last one that it added, if it added any.
    """

    appended: Appended | None = None
    event: EventRecord | None = None

    def found(self, writer: Writer, head: Head) -> Appended | None:
        """The outcome, if the commit was made. Certificates alone need no such look: their serials tell."""
        if self.appended is None:
            return None
        # Another server may have gone on from there; then the event stands at its place in the log.
        if head == self.appended.head or (
            self.event is not None and writer.event(self.event.log_index) == event_row(self.event)
        ):
            return self.appended
        return None


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
        growth = Growth.begin(writer, seen)
        attempt = attempt or Attempt()
        if done := attempt.found(writer, growth.found):
            writer.rollback()
            return done
        growth.date(now)
        signed = [entry for entry in entries if isinstance(entry, SignedCertificate)]
        # 2. Read what may decide.
        standing = standing_for(writer, issuers, [entry.claim for entry in signed])
        # 3. Classify and number.
        outcomes = [_settle(entry, standing, growth, now) for entry in signed]
        for entry in entries:
            if isinstance(entry, NewEvent):
                growth.add_event(entry)
        # 4. Write.
        head = growth.write(
            writer, [row_of(record, issuers.id_of(record.issuer_sha256)) for record in growth.certificates]
        )
        _count(writer, growth.certificates)
        # 5. Make it durable.
        attempt.appended, attempt.event = Appended(outcomes, head), growth.events[-1] if growth.events else None
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    return attempt.appended


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
        growth = Growth.begin(writer)
        known = {row[1]: row[0] for row in writer.issuers()}
        if sha256 in known:
            writer.rollback()
            return False
        growth.date(now())
        number = max(known.values(), default=0) + 1
        writer.insert("issuers", [issuer_row(number, chain, growth.at)])
        detail = canonical_json({"name": name, "certificate_sha256": sha256.hex()}).decode()
        growth.add_event(NewEvent("issuer_added", detail=detail))
        growth.write(writer)
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    return True


def _settle(signed: SignedCertificate, standing: Standing, growth: Growth, now: float) -> Answered | Refused:
    try:
        verdict = classify(signed.claim, standing, now, signed.serial)
    except Refused as error:
        error.registration_key = signed.claim.registration_key
        growth.add_event(_discarded(signed, refusal(error.reason).name))
        return error
    if isinstance(verdict, Answered):
        if verdict.replayed:
            growth.add_event(_discarded(signed, "REPLAYED"))
        return verdict
    record = _record(signed, verdict, growth.frontier.size, growth.at)
    growth.add_certificate(record)
    standing.add(record)
    return Answered(Stand(record), replayed=False)


def _count(writer: Writer, certificates: Sequence[CertificateRecord]) -> None:
    """Count for the work orders: first certificates, and replacements."""
    counts: dict[str, list[int]] = {}
    for record in certificates:
        if record.work_order is not None:
            counts.setdefault(record.work_order, [0, 0])[record.generation > 1] += 1
    for order, (issued, replacements) in counts.items():
        writer.count_for_order(order, issued, replacements)


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
