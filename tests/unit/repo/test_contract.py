"""The contract says of itself all that code and documents read from it."""

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2

from linecert import contract
from linecert.v1 import error_reason_pb2, options_pb2

METHODS = [method for service in contract.SERVICES for method in service.methods]
REASONS = list(contract.reasons())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_says_who_may_call_it(method: MethodDescriptor) -> None:
    """A method without roles could be called by nobody: none is left without by mistake."""
    roles = contract.roles_of(method)
    assert roles
    assert options_pb2.ROLE_UNSPECIFIED not in roles


@pytest.mark.parametrize("reason", REASONS, ids=error_reason_pb2.ErrorReason.Name)
def test_every_reason_says_its_status_and_who_acts(reason: error_reason_pb2.ErrorReason) -> None:
    """A refusal is never OK, UNKNOWN or INTERNAL, and always names an action."""
    refusal = contract.refusal(reason)
    assert refusal.status not in {code_pb2.OK, code_pb2.UNKNOWN, code_pb2.INTERNAL}
    assert refusal.action != options_pb2.ACTION_UNSPECIFIED


@pytest.mark.parametrize("reason", REASONS, ids=error_reason_pb2.ErrorReason.Name)
def test_a_reason_is_found_by_the_name_that_callers_see(reason: error_reason_pb2.ErrorReason) -> None:
    """ErrorInfo.reason leads back to the reason."""
    assert contract.reason_named(contract.refusal(reason).name) == reason


def test_every_service_of_the_contract_is_listed() -> None:
    """`contract.SERVICES` holds all services of the package, so that no role check or document misses one."""
    pool = contract.SERVICES[0].file.pool
    declared = {
        service.full_name
        for name in ("audit", "error_reason", "issuance", "options", "signing", "work_order")
        for service in pool.FindFileByName(f"linecert/v1/{name}.proto").services_by_name.values()
    }
    assert {service.full_name for service in contract.SERVICES} == declared
