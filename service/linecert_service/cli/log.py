"""`linecert-server log`: the transparency log's epochs."""

import contextlib
from typing import Annotated, Literal

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.domain.clock import SystemClock
from linecert_service.installation import log_key
from linecert_service.installation.layout import Layout

app = typer.Typer(name="log", help="The transparency log and its key.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """With a callback typer keeps the command's name, although there is only one."""


@app.command("new-epoch")
def new_epoch(
    config_file: options.Config = options.CONFIG_DEFAULT,
    *,
    reason: Annotated[
        Literal["rotation", "key-lost", "restored"],
        typer.Option(
            help="Why: the key is replaced, the key is gone, or the database was restored from an older backup."
        ),
    ],
) -> None:
    """Go on under a new key. Stop all servers of the database first, and start them with the new key afterwards.

    The log's origin NAME/EPOCH becomes the next one. Its first event names the old origin with its last size and root,
    and the new verifier key comes first in pki/log.pub: give it to the auditors. After a restore, entries of the old
    epoch are lost; auditors have to accept that by name, with `linecert verify --accept-epoch`.

    Example: linecert-server log new-epoch --reason rotation --config /etc/linecert/linecert.toml
    """
    # Here, since most commands need no database.
    from linecert_service.store import epochs  # noqa: PLC0415
    from linecert_service.store.backends import backend_for, unavailable  # noqa: PLC0415
    from linecert_service.store.log_guard import LogGuard  # noqa: PLC0415

    settings = config.load(config_file)
    layout = Layout(settings.folder)
    with contextlib.closing(backend_for(settings.store.url)) as backend, unavailable(backend):
        backend.prepare()
        with log_key.replacing(settings) as key:
            signer = epochs.begin(
                backend,
                name=settings.log.name,
                reason=reason,
                keys=epochs.Keys(None if reason != "rotation" else log_key.load(settings.log.key), key),
                guard=LogGuard.load(layout.log_state),
                published=layout.checkpoints,
                clock=SystemClock(),
            )
            # Before the key takes its place: an interruption in between is made good by running this again.
            log_key.announce(settings, signer.verifier_key)
    print(f"The log goes on as {signer.verifier_key.name}. Give auditors its verifier key:\n{signer.verifier_key}")
