"""How this room refuses: always for the request's field `csr`, in constant words and facts that were checked."""

from linecert.v1.error_reason_pb2 import ErrorReason
from linecert_service.domain.errors import Refused


def refused(reason: ErrorReason, message: str) -> Refused:
    """The refusal of a CSR, to be raised `from None`: what a parser says of its input stays out of the log."""
    return Refused(reason, message, field="csr")
