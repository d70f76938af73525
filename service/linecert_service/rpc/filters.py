"""From filter messages to what the store takes, or FIELD_INVALID."""

import re
from typing import Final, Literal

from linecert import registration_id as registration_ids
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.audit_pb2 import IssuanceFilter as FilterMessage
from linecert.v1.audit_pb2 import ListEventsRequest
from linecert.v1.issuance_pb2 import IssuedCertificate
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import EventFilter, IssuanceFilter
from linecert_service.domain.records import State
from linecert_service.rpc import fields

MAX_KINDS: Final = 32

_KIND: Final = re.compile(r"[a-z_]{1,64}")
_MAX_INT64: Final = 2**63 - 1

_STATES: Final = {
    IssuedCertificate.STATE_UNSPECIFIED: None,
    IssuedCertificate.STATE_ACTIVE: State.ACTIVE,
    IssuedCertificate.STATE_REPLACED: State.REPLACED,
    IssuedCertificate.STATE_EXPIRED: State.EXPIRED,
}


def issuance_filter(message: FilterMessage, visible_to: str | None) -> IssuanceFilter:
    """What a filter asks for.

    Args:
        message: the filter.
        visible_to: the station whose certificates alone the caller sees; None: all.

    Raises:
        Refused: FIELD_INVALID.
    """
    return IssuanceFilter(
        visible_to=visible_to,
        registration_key=registration_key(message.registration_id, "filter.registration_id")
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
        start_time=time_bound(message, "start_time", "filter.start_time"),
        end_time=time_bound(message, "end_time", "filter.end_time"),
        after_log_index=_after(message),
    )


def registration_key(value: str, field: str) -> str:
    """A registration ID in the form under which they are compared.

    Raises:
        Refused: FIELD_INVALID.
    """
    try:
        return registration_ids.key(registration_ids.check(value))
    except registration_ids.RegistrationIdError as error:
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID, f"{field} is no registration ID: {error}", field=field
        ) from None


def event_filter(message: ListEventsRequest) -> EventFilter:
    """What a request for events asks for.

    Raises:
        Refused: FIELD_INVALID.
    """
    kinds = tuple(sorted(set(message.kinds)))
    if len(kinds) > MAX_KINDS or not all(map(_KIND.fullmatch, kinds)):
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            f"kinds must be at most {MAX_KINDS} names such as rejected or issuer_added",
            field="kinds",
        )
    return EventFilter(
        kinds=kinds,
        station=fields.name(message.station, "station"),
        registration_key=registration_key(message.registration_id, "registration_id")
        if message.registration_id
        else None,
        start_time=time_bound(message, "start_time", "start_time"),
        end_time=time_bound(message, "end_time", "end_time"),
    )


def time_bound(
    message: FilterMessage | ListEventsRequest, name: Literal["start_time", "end_time"], field: str
) -> int | None:
    """A bound in microseconds since 1970; None when unset.

    Raises:
        Refused: FIELD_INVALID.
    """
    return fields.microseconds(getattr(message, name), field) if message.HasField(name) else None


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
    registration_key(value[:-1] + "a" if value[-1] in "._:" else value, field)
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
