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
