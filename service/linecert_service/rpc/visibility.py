"""Who sees what: to a station only what it issued itself exists."""

from linecert.v1.options_pb2 import Role
from linecert_service.policy.stations import Station


def visible_to(station: Station) -> str | None:
    """Whose certificates alone a caller sees; None: it sees all."""
    return None if Role.ROLE_AUDITOR in station.roles else station.name
