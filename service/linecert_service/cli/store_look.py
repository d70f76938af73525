"""What `check` finds in the store. It writes nothing, and makes no database where there is none."""

import contextlib
import os
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from linecert_service.config import Settings
from linecert_service.domain.clock import SystemClock
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.layout import Layout
from linecert_service.installation.report import Finding
from linecert_service.installation.trust import Trust
from linecert_service.store import migrations, status
from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for, unavailable
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.epochs import note_signer
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard, proving

_SUBJECT: Final = "store"


def look(settings: Settings, trusted: Trust) -> Finding:
    """Look whether a server with these settings could go on with what is stored.

    Raises:
        ConfigurationError: it could not; the message says what to do.
    """
    url = make_url(settings.store.url)
    on_sqlite = url.get_backend_name() == "sqlite"
    if on_sqlite and not (file := Path(url.database or "")).exists():
        return _to_be_made(file)
    with contextlib.closing(backend_for(settings.store.url)) as backend, unavailable(backend):
        found = status.read(backend)
        if not found.current:
            return _other_schema(backend, found, upgraded_at_start=on_sqlite)
        _prove(settings, trusted, backend)
    return Finding(
        _SUBJECT, f"{found.database}, {found.size} entries, log {found.origin or 'without a checkpoint yet'}"
    )


def _to_be_made(file: Path) -> Finding:
    if not os.access(file.parent, os.W_OK):
        raise ConfigurationError(
            f"store.url: {file} is not there, and this user may not make it: give the server's user the right to write "
            f"in {file.parent}"
        )
    return Finding(_SUBJECT, f"{file} is not there: the server makes it when it starts")


def _other_schema(backend: Backend, found: status.Status, *, upgraded_at_start: bool) -> Finding:
    with backend.engine.begin() as connection:
        known = migrations.is_known(connection)
    if not known:
        raise ConfigurationError("store.url: the database was written by a newer linecert: install that version")
    if not upgraded_at_start:
        raise ConfigurationError(
            "store.url: the database has not the schema of this version: run `linecert-server store upgrade`"
        )
    return Finding(_SUBJECT, f"{found.database}, brought to the schema of this version when the server starts")


def _prove(settings: Settings, trusted: Trust, backend: Backend) -> None:
    """The log is signed by the key of the settings, and is the one that this server remembers."""
    layout = Layout(settings.folder)
    with backend.engine.begin() as connection:
        signer = note_signer(connection, settings.log.name, trusted.log_key)
    issuers = Issuers(backend.engine)
    issuers.read()
    checkpoints = Checkpoints(
        backend.engine,
        issuers,
        signer=signer,
        guard=LogGuard.load(layout.log_state),
        published=layout.checkpoints,
        clock=SystemClock(),
    )
    with proving():
        checkpoints.prove()
