"""AuditService: what was issued."""

from typing import Final

from linecert import registration_id as registration_ids
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.audit_pb2 import (
    GetIssuedCertificateRequest,
    GetIssuedCertificateResponse,
    ListIssuedCertificatesRequest,
    ListIssuedCertificatesResponse,
)
from linecert.v1.audit_pb2 import (
    IssuanceFilter as FilterMessage,
)
from linecert.v1.issuance_pb2 import IssuedCertificate
from linecert.v1.options_pb2 import Role
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import AuditReader, IssuanceFilter
from linecert_service.domain.records import Issued, State
from linecert_service.policy.stations import Station
from linecert_service.rpc import fields
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.messages import chain_message, issued_message
from linecert_service.rpc.page_tokens import page_token, read_page_token

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1_000
_MAX_INT64: Final = 2**63 - 1

_STATES: Final = {
    IssuedCertificate.STATE_UNSPECIFIED: None,
    IssuedCertificate.STATE_ACTIVE: State.ACTIVE,
    IssuedCertificate.STATE_REPLACED: State.REPLACED,
    IssuedCertificate.STATE_EXPIRED: State.EXPIRED,
}


class AuditHandlers:
    """The methods of AuditService. To a station only what it issued itself exists.

    Args:
        reader: reads the store.
        clock: the time.
    """

    def __init__(self, reader: AuditReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {
            "GetIssuedCertificate": self.get_issued_certificate,
            "ListIssuedCertificates": self.list_issued_certificates,
        }

    async def get_issued_certificate(
        self, message: GetIssuedCertificateRequest, call: Call
    ) -> GetIssuedCertificateResponse:
        """One certificate."""
        station = call.caller.station
        issued = await self._find(message, station)
        visible_to = _visible_to(station)
        if issued is None or visible_to not in (None, issued.record.station):
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
        if message.page_size < 0:
            raise Refused(reasons.ERROR_REASON_FIELD_INVALID, "page_size must not be negative", field="page_size")
        wanted = _wanted(message.filter, _visible_to(call.caller.station))
        before = read_page_token(message.page_token, wanted)
        now = self._clock.time()
        size = min(message.page_size or DEFAULT_PAGE, MAX_PAGE)
        page = await self._reader.page(wanted, before, size, now)
        return ListIssuedCertificatesResponse(
            issued=[issued_message(issued, now, traced=True) for issued in page.issued],
            next_page_token="" if page.next_before is None else page_token(page.next_before, wanted),
        )

    async def _find(self, message: GetIssuedCertificateRequest, station: Station) -> Issued | None:
        match message.WhichOneof("key"):
            case "serial_number":
                return await self._reader.by_serial(fields.serial_number(message.serial_number, "serial_number"))
            case "request":
                asked = fields.name(message.request.station, "request.station") or station.name
                request_id = fields.request_id(message.request.request_id, "request.request_id")
                return await self._reader.by_request(asked, request_id)
            case "registration_id":
                return await self._reader.newest_of(_registration_key(message.registration_id, "registration_id"))
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            "the request names no certificate: set serial_number, request or registration_id",
            field="key",
        )


def _visible_to(station: Station) -> str | None:
    """Whose certificates alone a caller sees; None: it sees all."""
    return None if Role.ROLE_AUDITOR in station.roles else station.name


def _wanted(message: FilterMessage, visible_to: str | None) -> IssuanceFilter:
    """The filter of a call.

    Raises:
        Refused: FIELD_INVALID.
    """
    return IssuanceFilter(
        visible_to=visible_to,
        registration_key=_registration_key(message.registration_id, "filter.registration_id")
        if message.registration_id
        else None,
        registration_key_prefix=_prefix(message.registration_id_prefix),
        station=fields.name(message.station, "filter.station"),
        line=fields.name(message.line, "filter.line"),
        work_order=fields.text(message.work_order, "filter.work_order"),
        lot=fields.text(message.lot, "filter.lot"),
        profile=fields.name(message.profile, "filter.profile"),
        spki_sha256=fields.sha256(message.public_key_sha256, "filter.public_key_sha256"),
        attributes=tuple(sorted(fields.attributes(dict(message.attributes), "filter.attributes").items())),
        state=_state(message.state),
        start_time=fields.microseconds(message.start_time, "filter.start_time")
        if message.HasField("start_time")
        else None,
        end_time=fields.microseconds(message.end_time, "filter.end_time") if message.HasField("end_time") else None,
        after_log_index=_after(message),
    )


def _registration_key(value: str, field: str) -> str:
    try:
        return registration_ids.key(registration_ids.check(value))
    except registration_ids.RegistrationIdError as error:
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID, f"{field} is no registration ID: {error}", field=field
        ) from None


def _prefix(value: str) -> str | None:
    if not value:
        return None
    field = "filter.registration_id_prefix"
    if len(value) > registration_ids.MAX_LENGTH:
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            f"{field} has more characters than a registration ID: {registration_ids.MAX_LENGTH}",
            field=field,
        )
    # A prefix may end in what an ID may not: with a letter in place of its end it has to be one all the same.
    _registration_key(value[:-1] + "a" if value[-1] in "._:" else value, field)
    return registration_ids.key(value)


def _state(value: IssuedCertificate.State) -> State | None:
    if value not in _STATES:
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            "filter.state has a value that this version does not know",
            field="filter.state",
        )
    return _STATES[value]


def _after(message: FilterMessage) -> int | None:
    if not message.HasField("after_log_index"):
        return None
    return min(max(message.after_log_index, -1), _MAX_INT64 - 1)
