"""Who sees what: to a station only what it issued itself exists, and the work orders that it may issue for.

A caller that has several roles sees what any of them sees.
"""

from linecert.v1.options_pb2 import Role
from linecert_service.domain.work_orders import OrderScope
from linecert_service.policy.stations import Station


def visible_to(station: Station) -> str | None:
    """Whose certificates alone a caller sees; None: it sees all."""
    return None if _plans_or_audits(station) else station.name


def visible_entries(station: Station) -> str | None:
    """Whose entries of the log alone a caller sees; None: it sees all, events too, which are no planner's."""
    return None if Role.ROLE_AUDITOR in station.roles else station.name


def visible_orders(station: Station) -> OrderScope | None:
    """Which work orders alone a caller sees; None: it sees all."""
    return None if _plans_or_audits(station) else OrderScope(station.line, station.profiles)


def _plans_or_audits(station: Station) -> bool:
    return not station.roles.isdisjoint({Role.ROLE_PLANNER, Role.ROLE_AUDITOR})
