"""Where a page ended (AIP-158): opaque to callers, and good only for the request that it came from."""

import base64
import binascii
import hashlib
import re
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import EventFilter, IssuanceFilter
from linecert_service.domain.work_orders import OrderFilter

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1_000

_AFTER_LAST_INDEX: Final = 1 << 63  # log indexes are BIGINT

Wanted = IssuanceFilter | EventFilter | OrderFilter

_TOKEN: Final = re.compile(r"1:([0-9]{1,19}):([0-9a-f]{16})")
_NAME_TOKEN: Final = re.compile(r"2:([^\0]{1,64}):([0-9a-f]{16})", re.DOTALL)


def page_size(asked: int) -> int:
    """How many a page may hold.

    Raises:
        Refused: FIELD_INVALID.
    """
    if asked < 0:
        raise Refused(reasons.ERROR_REASON_FIELD_INVALID, "page_size must not be negative", field="page_size")
    return min(asked or DEFAULT_PAGE, MAX_PAGE)


def page_token(before: int, wanted: Wanted) -> str:
    """The token for the page below the log index `before`."""
    return _token(f"1:{before}:{_digest(wanted)}")


def read_page_token(token: str, wanted: Wanted) -> int | None:
    """The log index below which the page begins; None for the first page.

    Raises:
        Refused: PAGE_TOKEN_INVALID.
    """
    match = _read(token, _TOKEN, wanted)
    if match is None:
        return None
    # The digest is no signature: whoever makes a token up chooses its number.
    if (before := int(match[1])) >= _AFTER_LAST_INDEX:
        raise _invalid()
    return before


def name_token(after: str, wanted: Wanted) -> str:
    """The token for the page behind the name `after`."""
    return _token(f"2:{after}:{_digest(wanted)}")


def read_name_token(token: str, wanted: Wanted) -> str | None:
    """The name behind which the page begins; None for the first page.

    Raises:
        Refused: PAGE_TOKEN_INVALID.
    """
    match = _read(token, _NAME_TOKEN, wanted)
    return match[1] if match else None


def _token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(token: str, form: re.Pattern[str], wanted: Wanted) -> re.Match[str] | None:
    """What a token says; None for none."""
    if not token:
        return None
    try:
        match = form.fullmatch(base64.b64decode(token, altchars=b"-_", validate=True).decode())
    except (binascii.Error, ValueError):
        match = None
    if match is None or match[2] != _digest(wanted):
        raise _invalid()
    return match


def _invalid() -> Refused:
    return Refused(
        reasons.ERROR_REASON_PAGE_TOKEN_INVALID,
        "page_token must be the next_page_token of an answer to the same filter: begin again without one",
        field="page_token",
    )


def _digest(wanted: Wanted) -> str:
    return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
