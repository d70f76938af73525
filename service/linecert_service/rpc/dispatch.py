"""What every call passes before its handler: identity, role, the request's form; and after it: status, metrics, log.

The contract's descriptors say which methods there are and who may call them. A method that the contract gives no roles
is refused to everybody. A method without a handler answers UNIMPLEMENTED.
"""

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from linecert import contract
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.options_pb2 import Role
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.issuance.planning import Caller
from linecert_service.rpc import fields
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.errors import rpc_status_of
from linecert_service.rpc.identity import Callers, ServicerContext

DEFAULT_DEADLINE_SECONDS: Final = 30.0
"""For a call that comes without one."""

_ISSUING: Final = "SigningService"

_log = structlog.get_logger("linecert.rpc")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may go on.

    Attributes:
        caller: who calls.
        deadline: on the clock's `monotonic`.
    """

    caller: Caller
    deadline: float


UnaryHandler = Callable[[Any, Call], Awaitable[Message]]
"""Takes the request message, and returns the response or raises Refused."""

StreamHandler = Callable[[Any, Call], AsyncGenerator[Message, None]]
"""Takes the request message, and gives the responses or raises Refused, first or in between.

It is asked for the next one when the one before is on its way, and closed when the caller is gone.
"""

Handler = UnaryHandler | StreamHandler


class CallMeter(Protocol):
    """Is told of calls."""

    def call_began(self) -> None:
        """A call came in."""

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """It ended with this status code, such as `OK`."""

    def request_rejected(self, reason: str, line: str, station: str) -> None:
        """It was refused; `line` and `station` are empty for an unknown caller."""


class Dispatcher:
    """Makes gRPC handlers of use cases.

    Args:
        callers: finds callers.
        clock: the time.
        meter: is told of calls.
        trail: tells the log of refusals.
    """

    def __init__(self, callers: Callers, clock: Clock, meter: CallMeter, trail: AuditTrail) -> None:
        self._callers = callers
        self._clock = clock
        self._meter = meter
        self._trail = trail

    def service(self, service: ServiceDescriptor, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
        """The handlers of a service, by method name; a stream's where the contract says `returns (stream ...)`."""
        return grpc.method_handlers_generic_handler(service.full_name, dict(self._methods(service, handlers)))

    def _methods(
        self, service: ServiceDescriptor, handlers: Mapping[str, Handler]
    ) -> Iterator[tuple[str, "grpc.RpcMethodHandler[bytes, bytes]"]]:
        for name, handler in handlers.items():
            method = service.methods_by_name[name]
            # Octets in and out: what is no message is refused here, where grpc would answer UNKNOWN.
            if method.server_streaming:
                streamed = self._behavior(method, _streamed(cast("StreamHandler", handler)))
                yield name, grpc.unary_stream_rpc_method_handler(streamed)
            else:
                answered = self._behavior(method, _answered(cast("UnaryHandler", handler)))
                yield name, grpc.unary_unary_rpc_method_handler(answered)

    def _behavior(self, method: MethodDescriptor, answer: "_Answer") -> Callable[[bytes, ServicerContext], Any]:
        request_class = GetMessageClass(method.input_type)
        roles = contract.roles_of(method)

        async def behavior(data: bytes, context: ServicerContext) -> bytes | None:
            started = self._clock.monotonic()
            self._meter.call_began()
            caller: Caller | None = None
            message: Message | None = None
            code = grpc.StatusCode.CANCELLED
            try:
                caller = self._callers.of(context)
                _check_role(caller, roles, method)
                call = Call(caller, started + _time_left(context))
                message = _parsed(data, request_class)
                response = await answer(message, call, context)
                code = grpc.StatusCode.OK
            except Refused as refused:
                status = rpc_status_of(refused)
                code = status.code
                self._tell(refused, caller, method)
                self._log_rejected(refused, method, self._whom(caller, context) | _request_of(message, refused))
                await context.abort(code, status.message, status.trailing_metadata)
            except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets a status, and the log the rest
                code = grpc.StatusCode.INTERNAL
                _log.exception("call failed", method=method.name, station=_name(caller))
                await context.abort(code, "an error of the service, which its log tells: call the operator")
            else:
                return response
            finally:
                self._meter.call_answered(method.name, code.name, self._clock.monotonic() - started)

        return behavior

    def _tell(self, refused: Refused, caller: Caller | None, method: MethodDescriptor) -> None:
        refusal = contract.refusal(refused.reason)
        self._meter.request_rejected(refusal.name, caller.station.line if caller else "", _name(caller))
        ours = refusal.status == code_pb2.UNAVAILABLE
        # Of the requests for certificates: who may not read, or asks for nonsense, is in the service's own log.
        if caller and not ours and method.containing_service.name == _ISSUING:
            self._trail.rejected(caller.station, refusal.name, refused.registration_key)

    def _whom(self, caller: Caller | None, context: ServicerContext) -> dict[str, object]:
        if caller is None:
            return self._callers.describe(context)
        facts: dict[str, object] = {"station": caller.station.name}
        if caller.station.line:
            facts["line"] = caller.station.line
        return facts

    def _log_rejected(self, refused: Refused, method: MethodDescriptor, facts: Mapping[str, object]) -> None:
        refusal = contract.refusal(refused.reason)
        cause = {"cause": type(refused.__cause__).__name__} if refused.__cause__ else {}
        _log.log(
            logging.ERROR if cause and refusal.status == code_pb2.UNAVAILABLE else logging.WARNING,
            "rejected",
            method=method.name,
            **facts,
            reason=refusal.name,
            message=refused.message,
            **cause,
        )


def _request_of(message: Message | None, refused: Refused) -> dict[str, object]:
    """What names the request, as far as it was validated."""
    named: dict[str, object] = {}
    with contextlib.suppress(Refused):
        named["request_id"] = fields.request_id(getattr(message, "request_id", ""), "request_id")
    if refused.registration_key is not None:
        named["registration_id"] = refused.registration_key
    return named


_Answer = Callable[[Message, Call, ServicerContext], Awaitable[bytes | None]]
"""Answers a call; None where all was written to the context."""


def _answered(handler: UnaryHandler) -> _Answer:
    async def answer(request: Message, call: Call, _context: ServicerContext) -> bytes:
        return (await handler(request, call)).SerializeToString()

    return answer


def _streamed(handler: StreamHandler) -> _Answer:
    async def answer(request: Message, call: Call, context: ServicerContext) -> None:
        # Closed here when the caller is gone, not when the garbage collector comes by.
        async with contextlib.aclosing(handler(request, call)) as messages:
            async for message in messages:
                await context.write(message.SerializeToString())

    return answer


def _check_role(caller: Caller, roles: frozenset[Role], method: MethodDescriptor) -> None:
    if caller.station.roles.isdisjoint(roles):
        wanted = " or ".join(sorted(map(contract.role_name, roles))) or "none"
        raise Refused(
            reasons.ERROR_REASON_ROLE_MISSING,
            f"{caller.station.name} may not call {method.name}, which needs the role {wanted}: see roles of its entry "
            "in stations.toml",
        )


def _time_left(context: ServicerContext) -> float:
    # types-grpcio does not know that a call may have no deadline.
    left: float | None = context.time_remaining()
    return DEFAULT_DEADLINE_SECONDS if left is None else left


def _parsed(data: bytes, request_class: type[Message]) -> Message:
    try:
        return request_class.FromString(data)
    except DecodeError:
        raise Refused(
            reasons.ERROR_REASON_FIELD_INVALID,
            f"the request is no {request_class.DESCRIPTOR.full_name}, or a text in it is not UTF-8: make the client's "
            "stubs from this service's contract",
        ) from None


def _name(caller: Caller | None) -> str:
    return caller.station.name if caller else ""
