"""Who may do what in PostgreSQL: what the service needs, and what an auditor may read, and not a right more.

Two roles without a login, to be granted to the users that log in. They belong to the cluster, so that several
databases share them.
"""

from collections.abc import Iterator
from typing import Final

SERVICE_ROLE: Final = "linecert_service"
AUDITOR_ROLE: Final = "linecert_auditor"

_UPDATED: Final = ("log_head", "work_orders")


def statements() -> Iterator[str]:
    """Make the roles where they are missing, and grant their rights in this database."""
    for role in (SERVICE_ROLE, AUDITOR_ROLE):
        yield (
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {SERVICE_ROLE}, {AUDITOR_ROLE}"
    yield f"GRANT INSERT ON ALL TABLES IN SCHEMA public TO {SERVICE_ROLE}"
    # Not the log's head: it is there from the beginning.
    yield f"REVOKE INSERT ON alembic_version, log_head FROM {SERVICE_ROLE}"
    yield f"GRANT UPDATE ON {', '.join(_UPDATED)} TO {SERVICE_ROLE}"
