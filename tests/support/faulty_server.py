"""`linecert-server` that kills itself at a step of the issuance path: a script for tests.

Its first argument is a file, the others are those of `linecert-server`. As soon as the file holds the name of a point
below, the process that reaches it gets SIGKILL there. With `read-only` instead, SQLite refuses to write.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from linecert_service.cli import main
from linecert_service.issuance import certificate, pipeline
from linecert_service.issuance.planning import Planner
from linecert_service.rpc.issuing import Issuing
from linecert_service.store import append, checkpoints
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.committer import Committer
from linecert_service.store.ledger import StoreLedger
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.postgres import PostgresWriter
from linecert_service.store.sqlite import SQLiteWriter


def _armed(point: str) -> bool:
    return Path(sys.argv[1]).read_text() == point


def _reach(point: str) -> None:
    if _armed(point):
        os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str, point: str) -> None:
    """Let calls of a function reach `point` first."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def reaching(*arguments: Any, **named: Any) -> Any:
        _reach(point)
        return function(*arguments, **named)

    setattr(owner, name, reaching)


def _after(owner: Any, name: str, point: str) -> None:
    """Let calls of a function reach `point` when it has returned."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def reaching(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        _reach(point)
        return result

    setattr(owner, name, reaching)


def _install_points() -> None:
    # The steps of docs/issuance-cycle.md, in their order.
    _after(Planner, "plan", "planned")
    _after(StoreLedger, "_read", "looked up")
    _before(certificate, "_sign", "built")
    _after(certificate, "_sign", "signed")
    _after(pipeline, "make", "verified")
    _before(Committer, "submit", "handed over")
    for writer in (SQLiteWriter, PostgresWriter):
        _before(writer, "begin", "before BEGIN")
        _after(writer, "begin", "locked")
        _after(writer, "insert", "rows written")
        _after(writer, "write_head", "head written")
        _before(writer, "commit", "before COMMIT")
        _after(writer, "commit", "committed")
    _after(append, "standing_for", "read")
    _after(append, "_settle", "classified")
    _before(Committer, "_deliver", "before the answer")
    _after(Issuing, "response", "answer made")
    # Beside the cycle.
    _after(checkpoints, "_store", "checkpoint written")
    _before(LogGuard, "remember", "checkpoint committed")
    _after(LogGuard, "remember", "checkpoint remembered")
    _after(Checkpoints, "_publish", "checkpoint published")


def _install_read_only() -> None:
    begin = SQLiteWriter.begin

    def begin_or_refuse(writer: SQLiteWriter) -> Any:
        read_only = _armed("read-only")
        writer._connection.execute(f"PRAGMA query_only = {read_only:d}")
        return begin(writer)

    setattr(SQLiteWriter, "begin", begin_or_refuse)  # noqa: B010 - as above, with no type to break


if __name__ == "__main__":
    _install_points()
    _install_read_only()
    main(sys.argv[2:])
