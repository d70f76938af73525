"""Where a page ended (AIP-158): opaque to callers, and good only for the request that it came from."""

import base64
import binascii
import hashlib
import re
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import EventFilter, IssuanceFilter

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1_000

Wanted = IssuanceFilter | EventFilter

_TOKEN: Final = re.compile(r"1:([0-9]{1,19}):([0-9a-f]{16})")


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
    return base64.urlsafe_b64encode(f"1:{before}:{_digest(wanted)}".encode()).decode()


def read_page_token(token: str, wanted: Wanted) -> int | None:
    """The log index below which the page begins; None for the first page.

    Raises:
        Refused: PAGE_TOKEN_INVALID.
    """
    if not token:
        return None
    try:
        match = _TOKEN.fullmatch(base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        match = None
    if match is None or match[2] != _digest(wanted):
        raise Refused(
            reasons.ERROR_REASON_PAGE_TOKEN_INVALID,
            "page_token must be the next_page_token of an answer to the same filter: begin again without one",
            field="page_token",
        )
    return int(match[1])


def _digest(wanted: Wanted) -> str:
    return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
