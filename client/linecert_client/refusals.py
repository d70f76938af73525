"""From a failed gRPC call to `Refused`: google.rpc.Status with ErrorInfo, BadRequest and RetryInfo."""

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from linecert import contract
from linecert_client import errors
from linecert_client.errors import Refused

_DETAILS_KEY: Final = "grpc-status-details-bin"

# Who can help where the answer did not come from the service itself but from gRPC on either side.
_ACTION_BY_STATUS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UNAVAILABLE": errors.RETRY,
        "CANCELLED": errors.RETRY,
        "DEADLINE_EXCEEDED": errors.RETRY,
        "ABORTED": errors.RETRY,
        "INVALID_ARGUMENT": errors.FIX_STATION,
        "RESOURCE_EXHAUSTED": errors.FIX_STATION,  # a message over the transport's limit
        "PERMISSION_DENIED": errors.CALL_OPERATOR,
        "UNAUTHENTICATED": errors.CALL_OPERATOR,
        "UNIMPLEMENTED": errors.CALL_OPERATOR,
    }
)


@dataclasses.dataclass(slots=True)
class _Details:
    """What the details of a status say of linecert's own."""

    reason: str = ""
    action: str = ""
    violated_field: str | None = None
    retry_after: float | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)


def refused(error: grpc.RpcError) -> Refused:
    """The refusal that a failed call carries. A call that ends without details is one too, without a reason."""
    return _refused(error.code().name, error.details() or "", _status(error))


def refused_item(error: status_pb2.Status) -> Refused:
    """The refusal of one item of a batch, whose call did not fail."""
    known = error.code in code_pb2.Code.values()
    return _refused(code_pb2.Code.Name(error.code) if known else "UNKNOWN", error.message, error)


def _refused(status: str, message: str, carried: status_pb2.Status) -> Refused:
    details = _details(carried)
    return Refused(
        message or status,
        status=status,
        action=details.action or _stated_action(details.reason) or _ACTION_BY_STATUS.get(status, ""),
        reason=details.reason,
        field=details.violated_field,
        retry_after=details.retry_after,
        metadata=MappingProxyType(details.metadata),
    )


def _details(carried: status_pb2.Status) -> _Details:
    read = _Details()
    for detail in carried.details:
        info, request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        try:
            if detail.Unpack(info) and info.domain == contract.ERROR_DOMAIN:
                read.reason = info.reason
                read.metadata = dict(info.metadata)
                read.action = read.metadata.pop("action", "")
            elif detail.Unpack(request) and request.field_violations:
                read.violated_field = request.field_violations[0].field
            elif detail.Unpack(retry):
                read.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        except DecodeError:
            continue
    return read


def _status(error: grpc.RpcError) -> status_pb2.Status:
    # types-grpcio types this metadata as one pair; it is a tuple of them.
    metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in metadata:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _stated_action(reason: str) -> str:
    known = contract.reason_named(reason) if reason else None
    return contract.refusal(known).action_name if known else ""
