"""The epochs of a log: `NAME/EPOCH` is its origin, and another epoch has another key.

An epoch ends when the key is rotated or lost, or when the database had to be restored from a backup. The first event of
the next one names the old origin with its last size and root, so that a verifier who knows the old epoch learns where
the new one goes on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from linecert.transparency import Checkpoint, NoteError, NoteSigner, canonical_json, open_checkpoint
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import ConfigurationError
from linecert_service.domain.events import NewEvent
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.schema import CHECKPOINTS, LOG_HEAD

Reason = Literal["rotation", "key-lost", "restored"]
FIRST_EPOCH: Final = 1


class Keys(NamedTuple):
    """The keys of two epochs; `old` is None where it is lost, or did not sign what is there."""

    old: Ed25519PrivateKey | None
    new: Ed25519PrivateKey


def newest_note(connection: Connection) -> str | None:
    """The newest checkpoint that is stored. Raises SQLAlchemy's errors."""
    return connection.scalar(select(CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size.desc()).limit(1))


def note_signer(connection: Connection, name: str, key: Ed25519PrivateKey) -> NoteSigner:
    """What signs for the current epoch of the log `name`.

    Raises:
        ConfigurationError: the key is not this epoch's, or the newest checkpoint is not this log's.
        SQLAlchemyError: the database does not answer.
    """
    note = newest_note(connection)
    if note is None:
        return NoteSigner(f"{name}/{FIRST_EPOCH}", key)
    origin = note.partition("\n")[0]
    _check_name(origin, name)
    signer = NoteSigner(origin, key)
    if not _signed_by(signer, note):
        raise ConfigurationError(
            f"log.key: the key did not sign the newest checkpoint of {origin}: name the key that did, or, where it is "
            "lost, see `linecert-server log new-epoch --help`"
        )
    return signer


def begin(
    backend: Backend, *, name: str, reason: Reason, keys: Keys, guard: LogGuard, published: Path, clock: Clock
) -> NoteSigner:
    """Begin the next epoch: its first event, and its first checkpoint, which is remembered and published.

    Args:
        backend: the database; no server is to run on it.
        name: of the log.
        reason: why.
        keys: of the old epoch, for its last checkpoint, and of the new one.
        guard: remembers the old epoch's newest checkpoint.
        published: the file that checkpoints are appended to.
        clock: the time.

    Returns:
        What signs for the new epoch.

    Raises:
        LogInconsistent: the log is not the one that is remembered, and `reason` is not `restored`.
        ConfigurationError: nothing is remembered of a log that is said to be restored.
        SQLAlchemyError: the database does not answer, as do its driver's errors.
    """
    issuers = Issuers(backend.engine)
    issuers.read()

    def checkpoints(signer: NoteSigner) -> Checkpoints:
        return Checkpoints(backend.engine, issuers, signer=signer, guard=guard, published=published, clock=clock)

    with backend.engine.begin() as connection:
        note = newest_note(connection)
        origin = note.partition("\n")[0] if note else f"{name}/{FIRST_EPOCH}"
        _check_name(origin, name)
        if note and _signed_by(NoteSigner(origin, keys.new), note):
            return _go_on(checkpoints, guard, NoteSigner(origin, keys.new), reason)
        if reason == "rotation" and keys.old:
            # Looked at before anything is signed with it.
            note_signer(connection, name, keys.old)
    if reason == "rotation" and keys.old:
        checkpoints(NoteSigner(origin, keys.old)).close()
    old = _end_of(backend, reason, origin, guard, checkpoints(NoteSigner(origin, keys.new)))
    detail = {
        "old_origin": old.origin,
        "old_size": str(old.size),
        "old_root": old.root.hex(),
        "reason": reason,
    }
    writer = backend.writer()
    try:
        event = NewEvent("epoch_started", detail=canonical_json(detail).decode())
        append(writer, issuers, [event], clock.time())
    finally:
        writer.close()
    return _go_on(checkpoints, guard, NoteSigner(_next_origin(name, old.origin, origin), keys.new), reason)


def _go_on(
    checkpoints: Callable[[NoteSigner], Checkpoints], guard: LogGuard, signer: NoteSigner, reason: Reason
) -> NoteSigner:
    """The last step, which an attempt that was interrupted after its first checkpoint begins with."""
    if reason == "restored":
        guard.remembered = None
    checkpoints(signer).begin()
    return signer


def _check_name(origin: str, name: str) -> None:
    stored = origin.rpartition("/")[0]
    if stored != name:
        raise ConfigurationError(f"log.name: the database holds the log {stored}: set that name, or another store.url")


def _signed_by(signer: NoteSigner, note: str) -> bool:
    try:
        open_checkpoint(note, [signer.verifier_key])
    except NoteError:
        return False
    return True


def _end_of(backend: Backend, reason: Reason, origin: str, guard: LogGuard, checkpoints: Checkpoints) -> Checkpoint:
    """What the old epoch is known to have had."""
    if reason == "restored":
        if guard.remembered is None:
            raise ConfigurationError(
                "nothing is remembered of the log before the restore: put the last note of checkpoints.txt, from where "
                "it was shipped to, into log-state.txt"
            )
        return guard.remembered
    checkpoints.prove()
    with backend.engine.begin() as connection:
        size, root = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
    return Checkpoint(origin, size, root)


def _next_origin(name: str, *origins: str) -> str:
    return f"{name}/{1 + max(int(origin.rpartition('/')[2]) for origin in origins)}"
