"""`linecert-server store`: the audit store's database."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import make_url

from linecert.transparency import VerifierKey
from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import log_key

if TYPE_CHECKING:
    from linecert_service.store.backend import Backend

app = typer.Typer(name="store", help="The audit store's database.", no_args_is_help=True)


@app.command()
def upgrade(config_file: options.Config = options.CONFIG_DEFAULT) -> None:
    """Bring the database to the schema of this version. On SQLite the server does this itself.

    On PostgreSQL run it as a user that may create tables and roles. It grants what a server needs to the role
    linecert_service, and reading to linecert_auditor: grant these to the users that log in.

    Example: LINECERT_STORE__URL=postgresql://owner@db/linecert linecert-server store upgrade --config linecert.toml
    """
    with _backend(config.load(config_file)) as backend:
        backend.upgrade()
    print("The database has the schema of this version.")


@app.command()
def status(config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False) -> None:
    """Show which log the database holds, how long it is, and its newest checkpoint."""
    from linecert_service.store import status as store_status  # noqa: PLC0415 - most commands need no database

    settings = config.load(config_file)
    url = make_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise ConfigurationError(f"store.url: {url.database} is not there: the server makes it when it starts")
    with _backend(settings) as backend:
        found = store_status.read(backend)
    rows = {
        "database": found.database,
        "schema": "current" if found.current else "not of this version: run `linecert-server store upgrade`",
        "entries": found.size,
        "root": found.root.hex() if found.root else "",
        "last entry": _time(found.last_at),
        "log": found.origin or "",
        "newest checkpoint": found.checkpoint_size,
        "checkpoint signed": _time(found.checkpoint_at),
    }
    if as_json:
        print(json.dumps({name.replace(" ", "_"): value for name, value in rows.items()}, indent=2))
        return
    table = Table("store", "", show_header=False)
    for name, value in rows.items():
        table.add_row(name, "" if value is None else str(value))
    output.console().print(table)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.")],
    config_file: options.Config = options.CONFIG_DEFAULT,
) -> None:
    """Copy the database while servers run: a SQLite file, or on PostgreSQL what pg_restore takes.

    A backup that is restored is an older log: see 'After a restore' in docs/operations.md before you start a server.

    Example: linecert-server store backup /backup/linecert-2027-01-15.db --config /etc/linecert/linecert.toml
    """
    with _filled(config.load(config_file)) as backend:
        backend.backup(target)
    print(f"Wrote {target}.")


@app.command()
def verify(config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False) -> None:
    """Read the whole store and compare it with itself: rows, tree, checkpoints, certificates. Servers may run.

    Exit status 1 when something does not fit. Auditors prove more from outside, with `linecert verify`.
    """
    from linecert_service.store import self_check  # noqa: PLC0415 - most commands need no database

    settings = config.load(config_file)
    keys = [VerifierKey.parse(line) for line in log_key.verifier_keys(settings)]
    if not keys:
        raise ConfigurationError("pki/log.pub holds no verifier key: restore it, or copy it from an auditor")
    columns = ("reading", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _filled(settings) as backend, Progress(*columns, console=output.console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading")
        found = self_check.check(backend, keys, lambda done, total: bar.update(task, completed=done, total=total))
    counts = {"certificates": found.certificates, "events": found.events, "checkpoints": found.checkpoints}
    if as_json:
        print(json.dumps({"entries": found.size} | counts | {"problems": found.problems}, indent=2))
    else:
        read = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"Read {found.size} entries: {read}.")
        for problem in found.problems:
            print(f"problem: {problem}")
        print("Something was altered, or lost." if found.problems else "All of it fits together.")
    raise typer.Exit(1 if found.problems else 0)


@contextlib.contextmanager
def _backend(settings: Settings) -> "Iterator[Backend]":
    from linecert_service.store.backends import backend_for, unavailable  # noqa: PLC0415 - as above

    with contextlib.closing(backend_for(settings.store.url)) as backend, unavailable(backend):
        yield backend


@contextlib.contextmanager
def _filled(settings: Settings) -> "Iterator[Backend]":
    """A database that holds a log of this version; nothing is made where there is none."""
    from linecert_service.store import status as store_status  # noqa: PLC0415 - as above

    url = make_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise ConfigurationError(f"store.url: {url.database} is not there: the server makes it when it starts")
    with _backend(settings) as backend:
        if not store_status.read(backend).current:
            raise ConfigurationError(
                "store.url: the database has not the schema of this version: run `linecert-server store upgrade`, or "
                "install the version that wrote it"
            )
        yield backend


def _time(microseconds: int | None) -> str | None:
    if not microseconds:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
