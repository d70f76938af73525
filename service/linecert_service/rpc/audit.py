"""AuditService: what was issued, one by one, in pages, and as a whole."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.audit_pb2 import (
    ExportIssuedCertificatesRequest,
    ExportIssuedCertificatesResponse,
    GetIssuedCertificateRequest,
    GetIssuedCertificateResponse,
    ListIssuedCertificatesRequest,
    ListIssuedCertificatesResponse,
)
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import AuditReader, ExportReader
from linecert_service.domain.records import Issued
from linecert_service.policy.stations import Station
from linecert_service.rpc import fields
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.filters import issuance_filter, registration_key
from linecert_service.rpc.messages import chain_message, issued_message
from linecert_service.rpc.page_tokens import page_size, page_token, read_page_token
from linecert_service.rpc.visibility import visible_to


class AuditHandlers:
    """The methods of AuditService. To a station only what it issued itself exists.

    Args:
        reader: reads the store.
        exports: reads all of it.
        clock: the time.
    """

    def __init__(self, reader: AuditReader, exports: ExportReader, clock: Clock) -> None:
        self._reader = reader
        self._exports = exports
        self._clock = clock

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {
            "GetIssuedCertificate": self.get_issued_certificate,
            "ListIssuedCertificates": self.list_issued_certificates,
            "ExportIssuedCertificates": self.export_issued_certificates,
        }

    async def get_issued_certificate(
        self, message: GetIssuedCertificateRequest, call: Call
    ) -> GetIssuedCertificateResponse:
        """One certificate."""
        station = call.caller.station
        issued = await self._find(message, station)
        if issued is None or visible_to(station) not in (None, issued.record.station):
            raise Refused(
                reasons.ERROR_REASON_CERTIFICATE_UNKNOWN,
                "there is no such certificate, or none that this caller may see",
            )
        return GetIssuedCertificateResponse(
            issued=issued_message(issued, self._clock.time(), traced=True),
            chain=chain_message(issued.chain, issued.record.issuer_sha256),
        )

    async def list_issued_certificates(
        self, message: ListIssuedCertificatesRequest, call: Call
    ) -> ListIssuedCertificatesResponse:
        """A page of certificates, newest first."""
        size = page_size(message.page_size)
        wanted = issuance_filter(message.filter, visible_to(call.caller.station))
        before = read_page_token(message.page_token, wanted)
        now = self._clock.time()
        page = await self._reader.page(wanted, before, size, now)
        return ListIssuedCertificatesResponse(
            issued=[issued_message(issued, now, traced=True) for issued in page.issued],
            next_page_token="" if page.next_before is None else page_token(page.next_before, wanted),
        )

    async def export_issued_certificates(
        self, message: ExportIssuedCertificatesRequest, call: Call
    ) -> AsyncGenerator[ExportIssuedCertificatesResponse, None]:
        """All certificates that match, oldest first."""
        wanted = issuance_filter(message.filter, visible_to(call.caller.station))
        now = self._clock.time()
        async with aclosing(self._exports.issued(wanted, now)) as parts:
            async for part in parts:
                issued = [issued_message(each, now, traced=True) for each in part]
                yield ExportIssuedCertificatesResponse(issued=issued)

    async def _find(self, message: GetIssuedCertificateRequest, station: Station) -> Issued | None:
        match message.WhichOneof("key"):
            case "serial_number":
                return await self._reader.by_serial(fields.serial_number(message.serial_number, "serial_number"))
            case "request":
                asked = fields.name(message.request.station, "request.station") or station.name
                request_id = fields.request_id(message.request.request_id, "request.request_id")
                return await self._reader.by_request(asked, request_id)
            case "registration_id":
                return await self._reader.newest_of(registration_key(message.registration_id, "registration_id"))
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            "the request names no certificate: set serial_number, request or registration_id",
            field="key",
        )
