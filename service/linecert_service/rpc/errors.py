"""From errors to a status: the one table, which is the contract's `refusal` options."""

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from linecert import contract
from linecert_service.domain.errors import Refused

DETAILS_KEY: Final = "grpc-status-details-bin"
"""Trailing metadata that carries google.rpc.Status (https://grpc.io/docs/guides/error/)."""

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class RpcStatus:
    """What a call that failed ends with."""

    code: grpc.StatusCode
    message: str
    details: bytes

    @property
    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The details, as gRPC carries them."""
        return ((DETAILS_KEY, self.details),)


def status_of(refused: Refused) -> status_pb2.Status:
    """The google.rpc.Status of a refusal: ErrorInfo always, BadRequest where a field is to blame, RetryInfo."""
    refusal = contract.refusal(refused.reason)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=refusal.name,
            domain=contract.ERROR_DOMAIN,
            metadata={"action": refusal.action_name, **refused.metadata},
        )
    ]
    if refused.field is not None and refusal.status == code_pb2.INVALID_ARGUMENT:
        violation = error_details_pb2.BadRequest.FieldViolation(field=refused.field, description=refused.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if refused.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(refused.retry_after * 1_000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=refusal.status, message=refused.message)
    status.details.extend(map(_packed, details))
    return status


def rpc_status_of(refused: Refused) -> RpcStatus:
    """What a refused call ends with."""
    status = status_of(refused)
    return RpcStatus(_STATUS_CODES[status.code], refused.message, status.SerializeToString())


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
