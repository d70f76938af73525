"""The form of a request's fields: from messages to what the use cases take, or FIELD_INVALID and its kin.

Nothing that has not passed here is echoed, logged or stored.
"""

import contextlib
import re
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert.v1.issuance_pb2 import ReplacementReason
from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import SignRequest

MAX_ATTRIBUTES: Final = 16
MAX_ATTRIBUTE_OCTETS: Final = 128
MAX_TEXT: Final = 64

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ATTRIBUTE: Final = re.compile(r"[a-z0-9_]{1,32}")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_SERIAL_DIGITS: Final = 40
_SHA256_DIGITS: Final = 64
_REASON_PREFIX: Final = "REPLACEMENT_REASON_"


def sign_request(message: SignDeviceRequest) -> SignRequest:
    """The request of a SignDevice call.

    Raises:
        Refused: REQUEST_ID_INVALID, VALIDITY_INVALID, CSR_MALFORMED, FIELD_INVALID.
    """
    if not message.csr:
        raise Refused(reasons.ERROR_REASON_CSR_MALFORMED, "the request has no CSR", field="csr")
    return SignRequest(
        request_id=request_id(message.request_id, "request_id"),
        csr=message.csr,
        # Compared with the CSR's, and so with the grammar, before it goes anywhere.
        registration_id=message.registration_id or None,
        profile=name(message.profile, "profile"),
        work_order=text(message.work_order, "work_order"),
        lot=text(message.lot, "lot"),
        attributes=attributes(dict(message.attributes), "attributes"),
        validity=_validity(message.validity) if message.HasField("validity") else None,
        replacement_reason=_replacement_reason(message.replacement_reason),
        validate_only=message.validate_only,
    )


def request_id(value: str, field: str) -> str:
    """A UUID in canonical lower-case form (RFC 9562, section 4)."""
    if not _UUID.fullmatch(value):
        raise _invalid(
            field,
            "must be a UUID in lower case with hyphens, such as 0190a7c6-5d3e-7c1a-9b0e-2f6d8c4b1a57: one for each "
            "device, and the same one when a request is sent again",
            reasons.ERROR_REASON_REQUEST_ID_INVALID,
        )
    return value


def request_facts(message: Message | None, refused: Refused) -> dict[str, object]:
    """What names a request in the log, as far as it was validated before it was refused."""
    named: dict[str, object] = {}
    with contextlib.suppress(Refused):
        named["request_id"] = request_id(getattr(message, "request_id", ""), "request_id")
    if refused.registration_key is not None:
        named["registration_id"] = refused.registration_key
    return named


def name(value: str, field: str) -> str | None:
    """The name of a station, line or profile; None when unset."""
    if value and not _NAME.fullmatch(value):
        raise _invalid(field, "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return value or None


def text(value: str, field: str) -> str | None:
    """A work order or lot, as an MES names them; None when unset."""
    if value and (len(value) > MAX_TEXT or not value.isprintable() or value != value.strip()):
        raise _invalid(field, f"must be 1 to {MAX_TEXT} printable characters without a space at either end")
    return value or None


def attributes(values: dict[str, str], field: str) -> dict[str, str]:
    """What a station wants traced."""
    if len(values) > MAX_ATTRIBUTES:
        raise _invalid(field, f"has {len(values)} entries, at most {MAX_ATTRIBUTES} are taken")
    for key, value in values.items():
        if not _ATTRIBUTE.fullmatch(key):
            raise _invalid(field, "has a key that is not 1 to 32 of the characters a-z 0-9 _")
        if len(value.encode()) > MAX_ATTRIBUTE_OCTETS:
            raise _invalid(field, f"has a value of more than {MAX_ATTRIBUTE_OCTETS} octets under {key}")
        if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in value):  # noqa: PLR2004 - C0, C1
            raise _invalid(field, f"has control characters under {key}")
    return values


def serial_number(value: str, field: str) -> bytes:
    """A serial number as a person copies it: upper case, colons and missing leading zeros are taken too."""
    plain = value.replace(":", "")
    if not _HEX.fullmatch(plain) or len(plain) > _SERIAL_DIGITS:
        raise _invalid(field, f"must be a serial number of at most {_SERIAL_DIGITS} hex digits")
    return bytes.fromhex(plain.zfill(_SERIAL_DIGITS))


def sha256(value: str, field: str) -> bytes | None:
    """A SHA-256 in hex; None when unset."""
    if not value:
        return None
    if not _HEX.fullmatch(value) or len(value) != _SHA256_DIGITS:
        raise _invalid(field, f"must be a SHA-256: {_SHA256_DIGITS} hex digits")
    return bytes.fromhex(value)


def microseconds(value: Timestamp, field: str) -> int:
    """A time in microseconds since 1970."""
    try:
        value.ToJsonString()
    except ValueError:
        raise _invalid(field, "must lie between the years 1 and 9999") from None
    return value.ToMicroseconds()


def timestamp(microseconds_since_1970: int) -> Timestamp:
    """A time as messages carry it."""
    seconds, rest = divmod(microseconds_since_1970, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def _validity(value: Duration) -> int:
    if value.nanos or value.seconds <= 0:
        raise _invalid("validity", "must be whole seconds, and more than none", reasons.ERROR_REASON_VALIDITY_INVALID)
    return value.seconds


def _replacement_reason(value: ReplacementReason) -> str | None:
    if not value:
        return None
    if value not in ReplacementReason.values():
        raise _invalid("replacement_reason", "has a value that this version does not know")
    return ReplacementReason.Name(value).removeprefix(_REASON_PREFIX)


def _invalid(field: str, problem: str, reason: ErrorReason = reasons.ERROR_REASON_FIELD_INVALID) -> Refused:
    return Refused(reason, f"{field} {problem}", field=field)
