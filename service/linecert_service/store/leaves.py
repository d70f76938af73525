"""The leaf that the log commits to for a record: one place, for the append, for proofs and for verification."""

from linecert.transparency import certificate_leaf, event_leaf
from linecert_service.domain.records import CertificateRecord, EventRecord


def leaf_of_certificate(record: CertificateRecord) -> bytes:
    """The leaf of a certificate; its position, its registration key and the certificate's octets are not in it."""
    return certificate_leaf(
        serial=record.serial,
        registration_id=record.registration_id,
        generation=record.generation,
        replacement_reason=record.replacement_reason,
        replaces=record.replaces,
        station=record.station,
        line=record.line,
        request_id=record.request_id,
        request_sha256=record.request_sha256,
        work_order=record.work_order,
        lot=record.lot,
        profile=record.profile,
        attributes=record.attributes,
        issuer_sha256=record.issuer_sha256,
        not_before=record.not_before,
        not_after=record.not_after,
        issued_at=record.issued_at,
        csr_sha256=record.csr_sha256,
        spki_sha256=record.spki_sha256,
        certificate_sha256=record.certificate_sha256,
    )


def leaf_of_event(record: EventRecord) -> bytes:
    """The leaf of an event; its position is not in it."""
    return event_leaf(
        kind=record.kind,
        at=record.at,
        serial=record.serial,
        registration_key=record.registration_key,
        station=record.station,
        actor=record.actor,
        reason=record.reason,
        detail=record.detail,
    )
