"""A log that goes back, or regrows differently, is noticed before anything more is issued."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, func, select, update

from linecert import contract
from linecert.transparency import Frontier, NoteSigner, leaf_hash
from linecert_service.domain.clock import Clock, ClockGuard
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.store.append import append
from linecert_service.store.appender import Appender
from linecert_service.store.backend import Backend
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.committer import Committer
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard, LogInconsistent
from linecert_service.store.log_tree import LogTree
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS, LOG_HEAD, LOG_NODES
from support.claims import NOW, claim, signed
from support.doubles import FakeClock, RunningClock

KEY = Ed25519PrivateKey.generate()


class Watch:
    """Remembers whether the log was found inconsistent."""

    def __init__(self) -> None:
        self.problem = ""

    def committed(self, _seconds: float, _size: int) -> None:
        """Nothing."""

    def failed(self, error: Exception, *, transient: bool) -> None:
        """Nothing: what fails is tried again."""

    def checkpoint_failed(self, error: Exception) -> None:
        """Nothing."""

    def inconsistent(self, error: LogInconsistent) -> None:
        """Remember."""
        self.problem = error.message

    def dropped(self, serials: Sequence[bytes]) -> None:
        """Nothing."""

    def died(self, error: BaseException) -> None:
        """It never should."""
        raise AssertionError(error)


class Site:
    """A server's store and its state file, over several starts."""

    def __init__(self, backend: Backend, issuers: Issuers, folder: Path) -> None:
        self.backend = backend
        self.issuers = issuers
        self.folder = folder
        self.watch = Watch()

    def checkpoints(self, origin: str = "test/1", clock: Clock | None = None) -> Checkpoints:
        """As a server that starts makes them."""
        return Checkpoints(
            self.backend.engine,
            self.issuers,
            signer=NoteSigner(origin, KEY),
            guard=LogGuard.load(self.folder / "log-state.txt"),
            published=self.folder / "checkpoints.txt",
            clock=clock or RunningClock(NOW),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Committer]:
        """A committer that runs, and signs a checkpoint at its end."""
        checkpoints, clock = self.checkpoints(), RunningClock(NOW)
        appender = Appender(
            self.backend, self.issuers, checkpoints, clock=clock, guard=ClockGuard(clock), watcher=self.watch
        )
        committer = Committer(appender, checkpoints, clock, self.watch)
        committer.start()
        try:
            yield committer
        finally:
            await committer.close(1)

    def rewind(self, size: int) -> None:
        """What a restore of an older backup leaves: the first `size` entries, their nodes and head."""
        with self.backend.engine.begin() as connection:
            if self.backend.engine.name == "sqlite":
                for trigger in ("certificates_no_delete", "events_no_delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")
            else:
                connection.exec_driver_sql("ALTER TABLE certificates DISABLE TRIGGER USER")
            connection.execute(delete(CERTIFICATES).where(CERTIFICATES.c.log_index >= size))
            connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.size > size))
            connection.execute(delete(LOG_NODES))
            frontier = Frontier()
            for entry in LogTree(connection, self.issuers.sha256_of).entries(0, size):
                frontier.append(leaf_hash(entry.leaf))
            values = {"size": size, "frontier": frontier.to_bytes(), "root": frontier.root()}
            connection.execute(update(LOG_HEAD).values(values))

    def grow(self, *names: str) -> None:
        """What another hand appends."""
        writer = self.backend.writer()
        append(writer, self.issuers, [signed(claim(name)) for name in names], NOW)
        writer.close()

    def count(self) -> int:
        """Certificates on disk."""
        with self.backend.engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(CERTIFICATES)) or 0


@pytest.fixture
def site(backend: Backend, issuers: Issuers, tmp_path: Path) -> Site:
    """A store with ten certificates, whose last checkpoint is remembered."""
    site = Site(backend, issuers, tmp_path)
    site.grow(*(f"device-{number}" for number in range(10)))
    site.checkpoints().sign()
    return site


async def record(committer: Committer, name: str) -> Outcome:
    """Submit a certificate, and wait for the outcome."""
    answer: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
    committer.submit([signed(claim(name))], answer.set_result)
    return (await answer)[0]


def test_log_that_only_grew_is_proven(site: Site) -> None:
    """A start after more was appended is fine."""
    site.grow("device-a", "device-b")
    site.checkpoints().prove()


@pytest.mark.parametrize("regrown", [0, 4, 20], ids=["shorter", "same size", "longer"])
def test_restored_backup_is_noticed_at_the_start(site: Site, regrown: int) -> None:
    """Before a start: also when the log has grown to its old size, or past it, with other entries."""
    site.rewind(6)
    if regrown:
        site.grow(*(f"other-{number}" for number in range(regrown)))
    with pytest.raises(LogInconsistent):
        site.checkpoints().prove()


async def test_log_that_went_back_under_a_running_service_is_noticed(site: Site) -> None:
    """The next append sees it, and nothing is recorded, then or later; the caller is told whom to call."""
    async with site.running() as committer:
        assert isinstance(await record(committer, "device-a"), Recorded)
        site.rewind(6)
        for name in ("device-b", "device-c"):
            outcome = await record(committer, name)
            assert isinstance(outcome, Refused)
            assert contract.refusal(outcome.reason).name == "LOG_INCONSISTENT"
    assert site.count() == 6
    assert re.search("1[01] entries", site.watch.problem)


async def test_log_that_regrew_under_a_running_service_is_noticed(site: Site) -> None:
    """When it is longer again before this server looks, the next checkpoint's proof fails."""
    async with site.running() as committer:
        assert isinstance(await record(committer, "device-a"), Recorded)
        site.rewind(6)
        site.grow(*(f"other-{number}" for number in range(20)))
        await record(committer, "device-b")
    assert "have changed" in site.watch.problem


async def test_altered_entry_is_noticed_by_the_next_proof(site: Site) -> None:
    """A row that was changed in the newest part of the log no longer gives the remembered root."""
    with site.backend.engine.begin() as connection:
        if site.backend.engine.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER certificates_no_update")
        else:
            connection.exec_driver_sql("ALTER TABLE certificates DISABLE TRIGGER USER")
        connection.execute(update(CERTIFICATES).where(CERTIFICATES.c.log_index == 3).values(line="line-99"))
    site.grow("device-a")
    with pytest.raises(LogInconsistent, match="have changed"):
        site.checkpoints().prove()


def test_missing_rows_are_an_inconsistency_not_an_error(site: Site) -> None:
    """A deleted row makes the proof impossible, which is what it is to say."""
    with site.backend.engine.begin() as connection:
        if site.backend.engine.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER certificates_no_delete")
        else:
            connection.exec_driver_sql("ALTER TABLE certificates DISABLE TRIGGER USER")
        connection.execute(delete(CERTIFICATES).where(CERTIFICATES.c.log_index == 3))
    site.grow("device-a")
    with pytest.raises(LogInconsistent, match="missing"):
        site.checkpoints().prove()


def test_other_epoch_is_noticed(site: Site) -> None:
    """A server whose key was replaced elsewhere signs nothing more."""
    site.grow("device-a")
    site.checkpoints("test/2")  # what another server would sign with
    with pytest.raises(LogInconsistent, match="epoch"):
        site.checkpoints("test/2").sign()


def test_last_checkpoint_before_a_quiet_time_is_published(site: Site) -> None:
    """What was signed within the minute after a publication is published when the minute is over."""
    clock = FakeClock(NOW)
    checkpoints = site.checkpoints(clock=clock)
    checkpoints.sign()
    clock.pass_by(10)
    site.grow("device-a")
    checkpoints.catch_up(11)
    assert "\n11\n" not in (site.folder / "checkpoints.txt").read_text()
    assert checkpoints.wait(11) == 50
    clock.pass_by(50)
    checkpoints.catch_up(11)
    assert "\n11\n" in (site.folder / "checkpoints.txt").read_text()
    assert checkpoints.wait(11) is None


def test_what_a_killed_server_did_not_publish_is_published(site: Site) -> None:
    """The next start brings the file up to the newest checkpoint."""
    (site.folder / "checkpoints.txt").unlink()
    checkpoints = site.checkpoints()
    checkpoints.read()
    checkpoints.sign()
    assert "\n10\n" in (site.folder / "checkpoints.txt").read_text()


def test_idle_server_leaves_signing_to_the_one_that_appends(site: Site) -> None:
    """Where another server has gone on, the own last head is behind what was signed: nothing is due."""
    checkpoints = site.checkpoints()
    site.grow("device-a")
    checkpoints.sign()
    assert checkpoints.wait(10) is None


def test_two_servers_sign_the_same_size(site: Site) -> None:
    """Whoever comes second finds the checkpoint there, and both remember it."""
    site.grow("device-a")
    for number in range(2):
        (site.folder / str(number)).mkdir()
        other = Site(site.backend, site.issuers, site.folder / str(number))
        other.checkpoints().sign()
        assert (other.folder / "log-state.txt").exists()


def test_two_servers_sign_at_the_same_moment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One adds the checkpoint between the other's look and its insert: neither fails."""
    site.grow("device-a")
    look = Connection.scalar
    looks: list[object] = []

    def look_too_early(connection: Connection, query: Any, *arguments: Any, **options: Any) -> object:
        found = look(connection, query, *arguments, **options)
        if "checkpoints.root" in str(query):
            looks.append(found)
            return None if len(looks) == 1 else found
        return found

    site.checkpoints().sign()
    monkeypatch.setattr(Connection, "scalar", look_too_early)
    site.checkpoints().sign()
    assert len(looks) == 2


def test_checkpoint_with_another_root_is_noticed(site: Site) -> None:
    """Two roots for one size are two logs."""
    with site.backend.engine.begin() as connection:
        connection.execute(update(CHECKPOINTS).where(CHECKPOINTS.c.size == 10).values(root=b"x" * 32))
    with pytest.raises(LogInconsistent, match="another root"):
        site.checkpoints().sign()


def test_broken_state_file_stops_the_start(site: Site) -> None:
    """What was remembered is not thrown away by itself."""
    (site.folder / "log-state.txt").write_text("nonsense")
    with pytest.raises(ConfigurationError, match="log-state"):
        site.checkpoints()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_replaced_database_file_is_noticed(site: Site, tmp_path: Path) -> None:
    """A backup that is put in the place of the file of a running service is found out by the next append."""
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(tmp_path / "linecert.db")) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
    async with site.running() as committer:
        assert isinstance(await record(committer, "device-a"), Recorded)
        with ExitStack() as pooled:
            # Several connections lie in the pool that lead to the file that goes.
            for _ in range(3):
                pooled.enter_context(site.backend.engine.connect()).execute(select(LOG_HEAD.c.size))
        backup.replace(tmp_path / "linecert.db")
        for name in ("linecert.db-wal", "linecert.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        outcome = await record(committer, "device-b")
        assert isinstance(outcome, Refused)
        assert contract.refusal(outcome.reason).name == "LOG_INCONSISTENT"
