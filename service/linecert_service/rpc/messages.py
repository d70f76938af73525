"""From records to messages."""

import json
from collections.abc import Sequence
from typing import Final, cast

from google.protobuf.timestamp_pb2 import Timestamp

from linecert.v1.audit_pb2 import ListEventsResponse
from linecert.v1.issuance_pb2 import IssuedCertificate, IssuerChain, ReplacementReason
from linecert_service.domain.events import parse_detail
from linecert_service.domain.records import CertificateRecord, EventRecord, Issued, State
from linecert_service.domain.requests import Claim
from linecert_service.rpc.fields import timestamp

_STATES: Final = {
    State.ACTIVE: IssuedCertificate.STATE_ACTIVE,
    State.REPLACED: IssuedCertificate.STATE_REPLACED,
    State.EXPIRED: IssuedCertificate.STATE_EXPIRED,
}


def issued_message(issued: Issued, now: float, *, traced: bool) -> IssuedCertificate:
    """A certificate as the store holds it.

    Args:
        issued: the certificate.
        now: seconds since 1970; decides on the state.
        traced: whether the reader may know who asked for it, and what for.
    """
    record = issued.record
    message = IssuedCertificate(
        serial_number=record.serial.hex(),
        registration_id=record.registration_id,
        generation=record.generation,
        line=record.line,
        profile=record.profile,
        issuer_certificate_sha256=record.issuer_sha256.hex(),
        not_before=Timestamp(seconds=record.not_before),
        not_after=Timestamp(seconds=record.not_after),
        issue_time=timestamp(record.issued_at),
        certificate=record.certificate,
        certificate_sha256=record.certificate_sha256.hex(),
        public_key_sha256=record.spki_sha256.hex(),
        csr_sha256=record.csr_sha256.hex(),
        state=_STATES[issued.state(now)],
        log_index=record.log_index,
        replacement_reason=_replacement_reason(record.replacement_reason),
    )
    if record.replaces is not None:
        message.replaces_serial_number = record.replaces.hex()
    if issued.replaced_by is not None:
        message.replaced_by_serial_number = issued.replaced_by.hex()
    if traced:
        _trace(message, record)
    return message


def planned_message(claim: Claim) -> IssuedCertificate:
    """What a request that was only validated would get: without certificate, serial number and log index."""
    message = IssuedCertificate(
        registration_id=claim.registration_id,
        profile=claim.profile,
        issuer_certificate_sha256=claim.issuer_sha256.hex(),
        not_before=Timestamp(seconds=claim.not_before),
        not_after=Timestamp(seconds=claim.not_after),
        public_key_sha256=claim.spki_sha256.hex(),
        csr_sha256=claim.csr_sha256.hex(),
        replacement_reason=_replacement_reason(claim.replacement_reason),
    )
    _trace(message, claim)
    return message


def chain_message(chain: Sequence[bytes], issuer_sha256: bytes) -> IssuerChain:
    """A chain, of DER, issuer first and root last."""
    *intermediates, root = chain
    return IssuerChain(issuer_certificate_sha256=issuer_sha256.hex(), intermediates=intermediates, root=root)


def event_message(event: EventRecord) -> ListEventsResponse.Event:
    """An event as the store holds it."""
    return ListEventsResponse.Event(
        log_index=event.log_index,
        kind=event.kind,
        time=timestamp(event.at),
        station=event.station or "",
        actor=event.actor or "",
        registration_id=event.registration_key or "",
        serial_number=event.serial.hex() if event.serial else "",
        reason=event.reason or "",
        detail=parse_detail(event.detail),
    )


def _trace(message: IssuedCertificate, source: CertificateRecord | Claim) -> None:
    message.station = source.station
    message.line = source.line
    message.request_id = source.request_id
    message.work_order = source.work_order or ""
    message.lot = source.lot or ""
    if source.attributes is not None:
        message.attributes.update(json.loads(source.attributes))


def _replacement_reason(name: str | None) -> ReplacementReason:
    if name is None:
        return ReplacementReason.REPLACEMENT_REASON_UNSPECIFIED
    return cast("ReplacementReason", ReplacementReason.Value(f"REPLACEMENT_REASON_{name}"))
