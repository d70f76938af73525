"""Who sees what: to a station only what it issued itself exists, and the work orders that it may issue for."""

from linecert.v1.options_pb2 import Role
from linecert_service.domain.work_orders import OrderScope
from linecert_service.policy.stations import Station


def visible_to(station: Station) -> str | None:
    """Whose certificates alone a caller sees; None: it sees all."""
    return None if Role.ROLE_AUDITOR in station.roles else station.name


def visible_orders(station: Station) -> OrderScope | None:
    """Which work orders alone a caller sees; None: it sees all."""
    sees_all = not station.roles.isdisjoint({Role.ROLE_PLANNER, Role.ROLE_AUDITOR})
    return None if sees_all else OrderScope(station.line, station.profiles)
