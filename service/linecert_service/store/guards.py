"""What keeps a hand from altering the record: statements that refuse UPDATE and DELETE on the append-only tables.

A guard stops accidents and honest tools; who owns the database can drop it. That such a change is found is the Merkle
log's part.
"""

from collections.abc import Iterator
from typing import Final

APPEND_ONLY: Final = ("certificates", "events")


def sqlite_statements() -> Iterator[str]:
    """Triggers for SQLite.

    `INSERT OR REPLACE` fires the DELETE trigger only with `PRAGMA recursive_triggers = ON`, which every connection of
    this service sets (https://www.sqlite.org/lang_conflict.html).
    """
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def postgresql_statements() -> Iterator[str]:
    """A function that refuses, and triggers for PostgreSQL; a statement that would touch no row is refused, too."""
    yield """
        CREATE FUNCTION linecert_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
    """
    for table in APPEND_ONLY:
        yield (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION linecert_refuse()"
        )
