"""From refusals to statuses."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from linecert import contract
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert_service.domain.errors import Refused
from linecert_service.rpc.errors import rpc_status_of


@pytest.mark.parametrize("reason", list(contract.reasons()), ids=lambda reason: contract.refusal(reason).name)
def test_every_reason_has_the_status_and_action_of_the_contract(reason: ErrorReason) -> None:
    """The wire carries what the .proto file says, and the details can be read back."""
    status = rpc_status_of(Refused(reason, "what is wrong", field="csr", retry_after=1.5, metadata={"issued": "3"}))
    stated = contract.refusal(reason)
    details = status_pb2.Status.FromString(status.details)
    info = error_details_pb2.ErrorInfo()
    assert details.details[0].Unpack(info)
    assert status.code.name == stated.status_name
    assert (details.code, details.message) == (stated.status, "what is wrong")
    assert (info.domain, info.reason) == ("linecert", stated.name)
    assert dict(info.metadata) == {"action": stated.action_name, "issued": "3"}


def test_field_stands_in_bad_request() -> None:
    """INVALID_ARGUMENT names the field that is to blame."""
    reason = contract.reason_named("CSR_MALFORMED")
    assert reason is not None
    status = rpc_status_of(Refused(reason, "no PKCS#10", field="csr"))
    bad = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(status.details).details[1].Unpack(bad)
    assert [(violation.field, violation.description) for violation in bad.field_violations] == [("csr", "no PKCS#10")]


def test_delay_stands_in_retry_info() -> None:
    """UNAVAILABLE says when to come again."""
    reason = contract.reason_named("OVERLOADED")
    assert reason is not None
    status = rpc_status_of(Refused(reason, "full", retry_after=0.5))
    info = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(status.details).details[1].Unpack(info)
    assert info.retry_delay.ToMilliseconds() == 500
    assert status.code is grpc.StatusCode.UNAVAILABLE
    assert status.trailing_metadata == (("grpc-status-details-bin", status.details),)
