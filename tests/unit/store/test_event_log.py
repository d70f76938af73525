"""Events that a command appends, beside servers on the same database."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from linecert_service.domain.clock import ClockGuard, SystemClock
from linecert_service.domain.errors import ConfigurationError
from linecert_service.domain.events import CA_SIGNATURE, NewEvent
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.event_log import open_event_log
from linecert_service.store.log_guard import LogGuard
from linecert_service.store.schema import CHECKPOINTS, EVENTS
from linecert_service.store.service import LogIdentity, Store
from support.claims import claim, signed

KEY = Ed25519PrivateKey.generate()
EVENT = NewEvent(CA_SIGNATURE, detail='{"purpose":"self_test"}')


class Quiet:
    """Is told how the store does, and keeps what went wrong."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def committed(self, seconds: float, size: int) -> None:
        """All is well."""

    def failed(self, error: Exception, *, transient: bool) -> None:
        """Remember."""
        self.problems.append(f"{error} {transient}")

    def inconsistent(self, error: Exception) -> None:
        """Remember."""
        self.problems.append(str(error))

    def dropped(self, serials: Sequence[bytes]) -> None:
        """Remember."""
        self.problems.append(f"{len(serials)} dropped")

    def checkpoint_failed(self, error: Exception) -> None:
        """Remember."""
        self.problems.append(str(error))

    def died(self, error: BaseException) -> None:
        """Remember."""
        self.problems.append(str(error))


def identity(folder: Path, key: Ed25519PrivateKey = KEY) -> LogIdentity:
    """A log whose files are in `folder`, as an installation has them."""
    return LogIdentity("factory", key, guard=LogGuard.load(folder / "state"), published=folder / "checkpoints.txt")


def record(store_url: str, folder: Path, event: NewEvent = EVENT) -> None:
    """What a command does."""
    with open_event_log(store_url, identity(folder), SystemClock()) as log:
        log.record(event)


def events(backend: Backend) -> list[str]:
    """The kinds of events in the log."""
    with backend.engine.begin() as connection:
        return list(connection.scalars(select(EVENTS.c.kind).order_by(EVENTS.c.log_index)))


def test_an_event_is_on_disk_and_under_a_checkpoint(backend: Backend, store_url: str, tmp_path: Path) -> None:
    """When `record` returns: stored, published, and remembered."""
    record(store_url, tmp_path)
    assert events(backend) == [CA_SIGNATURE]
    with backend.engine.begin() as connection:
        note = connection.scalar(select(CHECKPOINTS.c.note))
    assert (tmp_path / "state").read_text() == note
    assert (tmp_path / "checkpoints.txt").read_text() == f"{note}\n"
    assert note is not None
    assert note.startswith("factory/1\n1\n")


async def test_a_server_goes_on_when_others_have_made_the_log_grow(
    backend: Backend, store_url: str, tmp_path: Path
) -> None:
    """It appends behind their events and signs the whole: its guard finds the log longer, and no other."""
    watch, outcomes = Quiet(), asyncio.Queue[Sequence[Outcome]]()
    clock = SystemClock()
    store = Store.open(store_url, identity(tmp_path), clock=clock, guard=ClockGuard(clock), watcher=watch)  # type: ignore[arg-type]
    store.committer.start()
    for number in range(5):
        store.committer.submit([signed(claim(f"device-{number}"))], outcomes.put_nowait)
        assert isinstance((await outcomes.get())[0], Recorded)
        await asyncio.to_thread(record, store_url, tmp_path)
    await store.close(5)
    assert watch.problems == []
    assert events(backend) == [CA_SIGNATURE] * 5
    with backend.engine.begin() as connection:
        sizes = list(connection.scalars(select(CHECKPOINTS.c.size).order_by(CHECKPOINTS.c.size)))
    assert sizes[-1] == 10
    assert LogGuard.load(tmp_path / "state").remembered.size == 10  # type: ignore[union-attr]


def test_a_log_that_went_back_gets_no_event(backend: Backend, store_url: str, tmp_path: Path) -> None:
    """A restored backup: nothing is signed that the true log would not know of."""
    other = tmp_path / "other"
    other.mkdir()
    url = f"sqlite:///{other}/linecert.db"
    for _ in range(2):
        record(url, tmp_path)
    with pytest.raises(ConfigurationError, match="it had 2 entries and has 0"):
        record(store_url, tmp_path)
    assert events(backend) == []


def test_the_key_of_another_log_is_refused(backend: Backend, store_url: str, tmp_path: Path) -> None:
    """The checkpoint would be a fork's."""
    record(store_url, tmp_path)
    another = identity(tmp_path, Ed25519PrivateKey.generate())
    with (
        pytest.raises(ConfigurationError, match="did not sign the newest checkpoint"),
        open_event_log(store_url, another, SystemClock()),
    ):
        raise AssertionError
    assert events(backend) == [CA_SIGNATURE]


def test_it_waits_for_a_server_that_writes(tmp_path: Path) -> None:
    """SQLite's lock is held for longer than the writer itself waits."""
    url = f"sqlite:///{tmp_path}/linecert.db"
    record(url, tmp_path)
    held = sqlite3.connect(tmp_path / "linecert.db", isolation_level=None, check_same_thread=False)
    held.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.5, lambda: held.execute("ROLLBACK"))
    with open_event_log(url, identity(tmp_path), SystemClock()) as log:
        release.start()
        log.record(EVENT)
    release.join()
    held.close()


def test_an_event_whose_checkpoint_failed_is_not_recorded_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt finds it at its place."""
    url = f"sqlite:///{tmp_path}/linecert.db"
    failures = iter([sqlite3.OperationalError("database is locked")])

    with open_event_log(url, identity(tmp_path), SystemClock()) as log:
        close = log._checkpoints.close

        def fails_once() -> None:
            for failure in failures:
                raise failure
            close()

        monkeypatch.setattr(log._checkpoints, "close", fails_once)
        log.record(EVENT)
        log.record(EVENT)
    with open_event_log(url, identity(tmp_path), SystemClock()) as log:
        assert events(log._backend) == [CA_SIGNATURE] * 2


def test_a_checkpoint_is_not_lost_to_an_append_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that appends while a server proves the log waits, and does not make the checkpoint fail."""
    url = f"sqlite:///{tmp_path}/linecert.db"
    record(url, tmp_path)
    with (
        open_event_log(url, identity(tmp_path), SystemClock()) as log,
        open_event_log(url, identity(tmp_path), SystemClock()) as others,
    ):
        with closing(log._backend.writer()) as writer:
            append(writer, log._issuers, [EVENT], SystemClock().time())
        other = threading.Thread(target=others.record, args=(EVENT,))
        check = LogGuard.check

        def check_beside_the_other(guard: LogGuard, *arguments: Any) -> None:
            check(guard, *arguments)
            if other.ident is None:
                other.start()
                # Time enough to append, were it let.
                other.join(1)

        monkeypatch.setattr(LogGuard, "check", check_beside_the_other)
        log._checkpoints.sign()
        other.join()
        assert events(log._backend) == [CA_SIGNATURE] * 3
