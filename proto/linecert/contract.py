"""What the contract says of itself, read from the descriptors: reasons, refusals, roles.

The options are those of linecert/v1/options.proto. Nothing here repeats what the .proto files say: a reason's status
and action, and a method's roles, have one source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.rpc import code_pb2

from linecert.v1 import audit_pb2, error_reason_pb2, options_pb2, signing_pb2, work_order_pb2
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert.v1.options_pb2 import Action, Role

ERROR_DOMAIN: Final = "linecert"
"""google.rpc.ErrorInfo.domain of every refusal."""

SERVICES: Final[tuple[ServiceDescriptor, ...]] = tuple(
    file.DESCRIPTOR.services_by_name[name]
    for file, name in (
        (signing_pb2, "SigningService"),
        (audit_pb2, "AuditService"),
        (work_order_pb2, "WorkOrderService"),
    )
)
"""The services of the contract, in the order of the documentation."""

_REASON_PREFIX: Final = "ERROR_REASON_"
_ACTION_PREFIX: Final = "ACTION_"
_ROLE_PREFIX: Final = "ROLE_"

# protoc's own type stubs call an extension a plain FieldDescriptor.
_REFUSAL: Final = cast("Any", options_pb2.refusal)
_ROLES: Final = cast("Any", options_pb2.roles)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a refusal looks to the caller.

    Attributes:
        name: the reason as it stands in ErrorInfo.reason, such as `CSR_MALFORMED`.
        status: the google.rpc.Code of the call.
        action: who has to act.
    """

    name: str
    status: int
    action: Action

    @property
    def status_name(self) -> str:
        """The status by name, such as `INVALID_ARGUMENT`."""
        return str(code_pb2.Code.Name(self.status))

    @property
    def action_name(self) -> str:
        """The action as it stands in ErrorInfo.metadata, such as `fix_device`."""
        return Action.Name(self.action).removeprefix(_ACTION_PREFIX).lower()


@cache
def refusal(reason: ErrorReason) -> Refusal:
    """The refusal that the contract states for `reason`.

    Raises:
        KeyError: the contract has no such reason, or states no refusal for it.
    """
    value = error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_number[reason]
    options = value.GetOptions()
    if not options.HasExtension(_REFUSAL):
        raise KeyError(value.name)
    stated: Any = options.Extensions[_REFUSAL]
    return Refusal(value.name.removeprefix(_REASON_PREFIX), stated.status, stated.action)


def reasons() -> Iterator[ErrorReason]:
    """Every reason of the contract in its order, without UNSPECIFIED."""
    return (cast("ErrorReason", value) for value in ErrorReason.values() if value)


def reason_named(name: str) -> ErrorReason | None:
    """The reason that stands as `name` in ErrorInfo.reason; None for one that this version does not know."""
    try:
        return cast("ErrorReason", ErrorReason.Value(_REASON_PREFIX + name))
    except ValueError:
        return None


def roles_of(method: MethodDescriptor) -> frozenset[Role]:
    """Who may call `method`; empty where the contract does not say, and then nobody may."""
    return frozenset(method.GetOptions().Extensions[_ROLES])


def role_name(role: Role) -> str:
    """The role as `stations.toml` and messages write it, such as `station`."""
    return Role.Name(role).removeprefix(_ROLE_PREFIX).lower()


def role_named(name: str) -> Role | None:
    """The role that `stations.toml` writes as `name`; None where there is none."""
    try:
        role = cast("Role", Role.Value(_ROLE_PREFIX + name.upper()))
    except ValueError:
        return None
    return role or None
