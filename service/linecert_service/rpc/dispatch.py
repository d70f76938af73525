"""What every call passes before its handler: identity, role, the request's form; and after it: status, metrics, log.

The contract's descriptors say which methods there are and who may call them. A method that the contract gives no roles
is refused to everybody. A method without a handler answers UNIMPLEMENTED.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from linecert import contract
from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.options_pb2 import Role
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.issuance.planning import Caller
from linecert_service.rpc import fields
from linecert_service.rpc.errors import rpc_status_of
from linecert_service.rpc.identity import Callers, ServicerContext
from linecert_service.rpc.rejections import Rejections, named
from linecert_service.rpc.tarpit import Tarpit

DEFAULT_DEADLINE_SECONDS: Final = 30.0
"""For a call that comes without one."""

INTERNAL_MESSAGE: Final = "an error of the service, which its log tells: call the operator"

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

UploadHandler = Callable[[AsyncIterator[Any], Call], Awaitable[Message]]
"""Takes the request messages as they come, and returns the response or raises Refused, before the last one or after.

A message is read from the connection when it is asked for, so that a stream takes no more memory than its handler. One
that the caller broke off ends like one that is complete: what a handler did of it must be of use by itself.
"""

Handler = UnaryHandler | StreamHandler | UploadHandler


class CallMeter(Protocol):
    """Is told of calls."""

    def call_began(self) -> None:
        """A call came in."""

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """It ended with this status code, such as `OK`."""


class Dispatcher:
    """Makes gRPC handlers of use cases.

    Args:
        callers: finds callers.
        clock: the time.
        meter: is told of calls.
        rejections: is told of refusals.
    """

    def __init__(self, callers: Callers, clock: Clock, meter: CallMeter, rejections: Rejections) -> None:
        self._callers = callers
        self._clock = clock
        self._meter = meter
        self._rejections = rejections
        self._tarpit = Tarpit(clock.monotonic)

    def service(self, service: ServiceDescriptor, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
        """The handlers of a service, by method name; those of streams where the contract says `stream`."""
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
            elif method.client_streaming:
                uploaded = self._behavior(method, _uploaded(cast("UploadHandler", handler)), _each_parsed)
                yield name, grpc.stream_unary_rpc_method_handler(uploaded)
            else:
                answered = self._behavior(method, _answered(cast("UnaryHandler", handler)))
                yield name, grpc.unary_unary_rpc_method_handler(answered)

    def _behavior(
        self, method: MethodDescriptor, answer: "_Answer", parse: "_Parse | None" = None
    ) -> Callable[[Any, ServicerContext], Any]:
        parse = parse or _parsed
        request_class = GetMessageClass(method.input_type)
        roles = contract.roles_of(method)

        async def behavior(data: Any, context: ServicerContext) -> bytes | None:
            started = self._clock.monotonic()
            self._meter.call_began()
            caller: Caller | None = None
            message: Any = None
            code = grpc.StatusCode.CANCELLED
            try:
                caller = self._callers.of(context)
                _check_role(caller, roles, method)
                call = Call(caller, started + _time_left(context))
                message = parse(data, request_class)
                response = await answer(message, call, context)
                code = grpc.StatusCode.OK
            except Refused as refused:
                status = rpc_status_of(refused)
                code = status.code
                self._tell(refused, method, caller, context, message)
                if refused.reason != reasons.ERROR_REASON_SHUTTING_DOWN:
                    await self._tarpit.hold(_name(caller), _time_left(context))
                await context.abort(code, status.message, status.trailing_metadata)
            except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets a status, and the log the rest
                code = grpc.StatusCode.INTERNAL
                _log.exception("call failed", method=method.name, station=_name(caller))
                await context.abort(code, INTERNAL_MESSAGE)
            else:
                return response
            finally:
                self._meter.call_answered(method.name, code.name, self._clock.monotonic() - started)

        return behavior

    def _tell(
        self,
        refused: Refused,
        method: MethodDescriptor,
        caller: Caller | None,
        context: ServicerContext,
        message: Any,
    ) -> None:
        facts = named(caller.station) if caller else self._callers.describe(context)
        facts |= fields.request_facts(message if isinstance(message, Message) else None, refused)
        self._rejections.tell(refused, method, caller.station if caller else None, facts)


_Answer = Callable[[Any, Call, ServicerContext], Awaitable[bytes | None]]
"""Answers a call; None where all was written to the context."""

_Parse = Callable[[Any, type[Message]], Any]
"""Makes what a handler takes of what grpc gives: a message of octets, or messages of a stream of octets."""


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


def _uploaded(handler: UploadHandler) -> _Answer:
    async def answer(requests: AsyncGenerator[Message, None], call: Call, _context: ServicerContext) -> bytes:
        async with contextlib.aclosing(requests) as messages:
            return (await handler(messages, call)).SerializeToString()

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


async def _each_parsed(stream: AsyncIterator[bytes], request_class: type[Message]) -> AsyncGenerator[Message, None]:
    async for data in stream:
        yield _parsed(data, request_class)


def _name(caller: Caller | None) -> str:
    return caller.station.name if caller else ""
