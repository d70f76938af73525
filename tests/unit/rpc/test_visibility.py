"""Who sees what, by role."""

import pytest

from linecert.v1.options_pb2 import Role
from linecert_service.domain.work_orders import OrderScope
from linecert_service.rpc.visibility import visible_entries, visible_orders, visible_to
from support.issuing import caller

STATION, PLANNER, AUDITOR = Role.ROLE_STATION, Role.ROLE_PLANNER, Role.ROLE_AUDITOR
OWN = "station-01"
SCOPE = OrderScope("line-01", ("device",))


@pytest.mark.parametrize(
    "roles, certificates, entries, orders",
    [
        ({STATION}, OWN, OWN, SCOPE),
        ({PLANNER}, None, OWN, None),
        ({AUDITOR}, None, None, None),
        ({STATION, PLANNER}, None, OWN, None),
        ({STATION, AUDITOR}, None, None, None),
    ],
)
def test_what_a_caller_sees(
    roles: set[Role], certificates: str | None, entries: str | None, orders: OrderScope | None
) -> None:
    """A station what is its own, a planner all certificates and orders, and all entries of the log an auditor only."""
    station = caller(roles=frozenset(roles)).station
    assert (visible_to(station), visible_entries(station), visible_orders(station)) == (certificates, entries, orders)
