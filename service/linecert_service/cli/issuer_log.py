"""The log, for commands with which a CA key signs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from linecert_service.config import Settings
from linecert_service.domain.clock import SystemClock
from linecert_service.installation import files, log_key
from linecert_service.installation.issuer_signatures import Record
from linecert_service.installation.layout import Layout
from linecert_service.store.event_log import open_event_log
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.service import LogIdentity


@contextlib.contextmanager
def recording(settings: Settings) -> Iterator[Record]:
    """Open the store, beside servers that may run on it, and give what appends an event.

    Raises:
        ConfigurationError: it cannot be reached, or is not the log that this installation remembers.
    """
    layout = Layout(settings.folder)
    log = LogIdentity(
        settings.log.name,
        log_key.load(settings.log.key),
        guard=LogGuard.load(layout.log_state),
        published=layout.checkpoints,
    )
    made = [path for path in (_database(settings), layout.log_state, layout.checkpoints) if path and not path.exists()]
    try:
        with open_event_log(settings.store.url, log, SystemClock()) as events:
            yield events.record
    finally:
        # What root made here is the server's to write.
        for path in made:
            if path.exists():
                files.give_as(layout.pki, path)


def _database(settings: Settings) -> Path | None:
    url = make_url(settings.store.url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None
