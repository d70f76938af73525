"""The committer: what it was given is recorded or refused, whatever the database does."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from linecert.transparency import NoteSigner, open_checkpoint
from linecert_service.domain.clock import ClockGuard, SystemClock
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.domain.requests import SignedCertificate
from linecert_service.domain.work_orders import CloseOrder, OpenOrder, OrderChange, OrderChanged, OrderOutcome
from linecert_service.store import appender as appender_module
from linecert_service.store.append import append
from linecert_service.store.appender import Appender
from linecert_service.store.backend import Backend, Writer
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.committer import Committer
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_guard import LogGuard, LogInconsistent
from linecert_service.store.postgres import PostgresWriter
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS, EVENTS, LOG_HEAD
from linecert_service.store.sqlite import SQLiteWriter
from support.claims import claim, sha256, signed

PATIENCE = 5.0
KEY = Ed25519PrivateKey.generate()


class Watch:
    """Remembers what the committer tells."""

    def __init__(self) -> None:
        self.commits = 0
        self.failures: list[tuple[str, bool]] = []
        self.serials: list[bytes] = []
        self.deaths: list[str] = []
        self.stopped = ""

    def committed(self, seconds: float, size: int) -> None:
        """Count."""
        assert seconds >= 0
        assert size >= 0
        self.commits += 1

    def failed(self, error: Exception, *, transient: bool) -> None:
        """Remember."""
        self.failures.append((str(error), transient))

    def inconsistent(self, error: LogInconsistent) -> None:
        """Remember."""
        self.stopped = str(error)

    def checkpoint_failed(self, error: Exception) -> None:
        """It never should in these tests."""
        raise AssertionError(error)

    def dropped(self, serials: Sequence[bytes]) -> None:
        """Remember."""
        self.serials += serials

    def died(self, error: BaseException) -> None:
        """Remember."""
        self.deaths.append(str(error))


class Bench:
    """A committer that runs, with what a test looks at."""

    def __init__(self, backend: Backend, issuers: Issuers, folder: Path, key: Ed25519PrivateKey | None = None) -> None:
        self.backend = backend
        self.published = folder / "checkpoints.txt"
        self.note_signer = NoteSigner("test/1", key or Ed25519PrivateKey.generate())
        self.watch = Watch()
        clock = SystemClock()
        self.state = folder / "log-state.txt"
        self.checkpoints = checkpoints = Checkpoints(
            backend.engine,
            issuers,
            signer=self.note_signer,
            guard=LogGuard.load(self.state),
            published=self.published,
            clock=clock,
        )
        self.clock_guard = ClockGuard(clock)
        self.appender = Appender(backend, issuers, checkpoints, clock=clock, guard=self.clock_guard, watcher=self.watch)
        self.committer = Committer(self.appender, checkpoints, clock, self.watch)

    async def record(self, *entries: SignedCertificate) -> Sequence[Outcome]:
        """Submit, and wait for the outcomes."""
        answer: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self.committer.submit(entries, answer.set_result)
        return await answer

    async def change(self, change: OrderChange) -> OrderOutcome:
        """Submit the change of a work order, and wait for its outcome."""
        answer: asyncio.Future[OrderOutcome] = asyncio.get_running_loop().create_future()
        self.committer.change(change, "planner-01", answer.set_result)
        return await answer

    def kinds(self) -> list[str]:
        """The kinds of the events on disk."""
        with self.backend.engine.begin() as connection:
            return list(connection.scalars(select(EVENTS.c.kind).order_by(EVENTS.c.log_index)))

    def count(self) -> int:
        """Certificates on disk."""
        with self.backend.engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(CERTIFICATES)) or 0


@pytest.fixture
async def bench(backend: Backend, issuers: Issuers, tmp_path: Path) -> AsyncIterator[Bench]:
    """A committer that runs."""
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    yield bench
    await bench.committer.close(PATIENCE)


class Failing:
    """Makes COMMITs fail, before or after the database has made them, with the errors of its driver."""

    def __init__(self, backend: Backend, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(appender_module, "RETRY_SECONDS", (0.001,))
        self._writer_class: type[Writer] = SQLiteWriter if backend.engine.name == "sqlite" else PostgresWriter
        self._patch = patch
        self.transient: Exception = (
            sqlite3.OperationalError("database or disk is full")
            if backend.engine.name == "sqlite"
            else psycopg.errors.DiskFull("could not extend file")
        )
        self.lasting: Exception = (
            sqlite3.IntegrityError("UNIQUE constraint failed")
            if backend.engine.name == "sqlite"
            else psycopg.errors.UniqueViolation("duplicate key value")
        )

    def next_commits(self, error: Exception, *, times: int, after: bool = False) -> None:
        """Let so many COMMITs fail; `after`: once they are made, as when the reply is lost."""
        commit = self._writer_class.commit
        left = [times]

        def commit_or_fail(writer: Writer) -> None:
            if left[0] == 0:
                commit(writer)
                return
            left[0] -= 1
            if after:
                commit(writer)
            raise error

        self._patch.setattr(self._writer_class, "commit", commit_or_fail)


@pytest.fixture
def failing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Makes COMMITs fail."""
    return Failing(backend, monkeypatch)


async def test_answer_comes_after_the_commit(bench: Bench) -> None:
    """When an outcome is delivered, another connection sees the row."""
    (outcome,) = await bench.record(signed())
    assert isinstance(outcome, Recorded)
    assert bench.count() == 1


async def test_submissions_share_a_transaction(bench: Bench) -> None:
    """What is submitted together is committed together, and each submission gets its own outcomes."""
    submissions = [bench.record(*(signed(claim(f"device-{n}-{m}")) for m in range(n))) for n in range(1, 6)]
    outcomes = await asyncio.gather(*submissions)
    assert [len(each) for each in outcomes] == [1, 2, 3, 4, 5]
    assert bench.watch.commits < len(outcomes)
    assert bench.count() == 15


async def test_transient_failure_is_tried_again(bench: Bench, failing: Failing) -> None:
    """A disk that is full for a while delays the answer, and loses nothing."""
    failing.next_commits(failing.transient, times=3)
    (outcome,) = await bench.record(signed())
    assert isinstance(outcome, Recorded)
    assert bench.watch.failures == [(str(failing.transient), True)] * 3
    assert bench.count() == 1


async def test_lost_reply_to_a_commit_makes_no_second_certificate(bench: Bench, failing: Failing) -> None:
    """The row is found on the next attempt, and answered as issued, not as a replay."""
    failing.next_commits(failing.transient, times=1, after=True)
    entry = signed()
    (outcome,) = await bench.record(entry)
    assert isinstance(outcome, Recorded)
    assert not outcome.replayed
    assert outcome.issued.record.serial == entry.serial
    assert bench.count() == 1


async def test_entry_that_the_database_refuses_takes_no_other_with_it(bench: Bench, failing: Failing) -> None:
    """After a failure that will not pass, the entries are appended one by one."""
    failing.next_commits(failing.lasting, times=2)
    first, second = await bench.record(signed(claim("device-01")), signed(claim("device-02")))
    assert isinstance(first, StoreUnavailable)
    assert isinstance(second, Recorded)
    assert bench.count() == 1


async def test_end_waits_for_what_was_submitted(backend: Backend, issuers: Issuers, tmp_path: Path) -> None:
    """`close` records everything, and signs and publishes a last checkpoint over it."""
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    answers = [asyncio.ensure_future(bench.record(signed(claim(f"device-{n}")))) for n in range(50)]
    await asyncio.sleep(0)
    await bench.committer.close(PATIENCE)
    await asyncio.gather(*answers)
    note = bench.published.read_text().split("\n\n\n")[-1]
    last = note[note.rindex("test/1\n50\n") :].removesuffix("\n")
    assert open_checkpoint(last, [bench.note_signer.verifier_key]).size == 50


async def test_end_gives_up_on_a_store_that_cannot_write(
    backend: Backend, issuers: Issuers, tmp_path: Path, failing: Failing
) -> None:
    """After the patience the callers are told, and nothing is recorded: nobody has received what was signed."""
    failing.next_commits(failing.transient, times=10**9)
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    entry = signed()
    answer = asyncio.ensure_future(bench.record(entry))
    await asyncio.sleep(0)
    await bench.committer.close(0.05)
    (outcome,) = await answer
    assert isinstance(outcome, StoreUnavailable)
    assert bench.watch.serials == [entry.serial]
    assert bench.count() == 0


async def test_checkpoints_are_signed_while_the_log_grows(bench: Bench) -> None:
    """The newest stored checkpoint is of the head that was read back, and the log's key verifies it."""
    await bench.record(signed())
    await bench.committer.close(PATIENCE)
    with bench.backend.engine.begin() as connection:
        note = connection.scalar(select(CHECKPOINTS.c.note).order_by(CHECKPOINTS.c.size.desc()).limit(1))
        head = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
    checkpoint = open_checkpoint(str(note), [bench.note_signer.verifier_key])
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == ("test/1", head.size, head.root)


async def test_events_need_no_answer(bench: Bench) -> None:
    """An event is recorded beside the certificates."""
    bench.committer.record(NewEvent("service_started"))
    await bench.record(signed())
    with bench.backend.engine.begin() as connection:
        assert connection.scalar(select(EVENTS.c.kind)) == "service_started"


async def test_lost_reply_does_not_repeat_events(bench: Bench, failing: Failing) -> None:
    """What was discarded stands once in the log, although the entries were appended again."""
    await bench.record(signed(claim("device-01")))
    failing.next_commits(failing.transient, times=1, after=True)
    winner, loser = signed(claim("device-02")), signed(claim("device-03", spki_sha256=sha256("key of device-01")))
    first, second = await bench.record(winner, loser)
    assert isinstance(first, Recorded)
    assert isinstance(second, Refused)
    with bench.backend.engine.begin() as connection:
        assert list(connection.scalars(select(EVENTS.c.serial))) == [loser.serial]


async def test_untrusted_clock_holds_up_the_append(bench: Bench, failing: Failing) -> None:
    """With a clock behind the log nothing is appended; when it is right again, the same entries are."""
    assert failing.transient
    bench.clock_guard.saw(time.time() + 100)
    answer = asyncio.ensure_future(bench.record(signed()))
    await asyncio.sleep(0.1)
    assert not answer.done()
    bench.clock_guard.saw(0)
    (outcome,) = await answer
    assert isinstance(outcome, Recorded)
    assert bench.watch.failures[0][1]


async def test_guard_learns_the_logs_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an append the clock may not go back behind it."""
    seen: list[float] = []
    monkeypatch.setattr(bench.clock_guard, "saw", seen.append)
    (outcome,) = await bench.record(signed())
    assert isinstance(outcome, Recorded)
    assert seen == [outcome.issued.record.issued_at / 1_000_000]


async def test_thread_that_dies_answers_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the thread, what was submitted before and after is refused, and the probe says so."""

    def die(*_: object, **__: object) -> None:
        raise SystemExit("no more")

    monkeypatch.setattr(appender_module, "append", die)
    for name in ("device-01", "device-02"):
        (outcome,) = await bench.record(signed(claim(name)))
        assert isinstance(outcome, StoreUnavailable)
    assert bench.watch.deaths == ["no more"]
    await bench.committer.close(PATIENCE)
    with pytest.raises(StoreUnavailable, match="restart"):
        bench.committer.check()


async def test_callback_that_fails_takes_no_other_with_it(bench: Bench) -> None:
    """Each submission is delivered by itself."""
    loop = asyncio.get_running_loop()
    problems: list[object] = []
    loop.set_exception_handler(lambda _, context: problems.append(context))

    def fail(_outcomes: Sequence[Outcome]) -> None:
        raise RuntimeError("in the caller's part")

    bench.committer.submit([signed(claim("device-01"))], fail)
    (outcome,) = await bench.record(signed(claim("device-02")))
    assert isinstance(outcome, Recorded)
    assert problems


async def test_probe_tells_an_append_that_is_stuck(bench: Bench) -> None:
    """An append that has been under way for long is a store that does not record."""
    bench.committer.check()
    bench.appender.busy_since = time.monotonic() - 6
    with pytest.raises(StoreUnavailable, match="has not recorded"):
        bench.committer.check()
    bench.appender.busy_since = None


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_end_does_not_wait_for_the_holder_of_the_lock(backend: Backend, issuers: Issuers, tmp_path: Path) -> None:
    """With another process holding SQLite's lock the committer ends all the same, whatever is queued."""
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    holder = sqlite3.connect(tmp_path / "linecert.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    answers = [asyncio.ensure_future(bench.record(signed(claim(f"device-{n}")))) for n in range(5)]
    await asyncio.sleep(0)
    async with asyncio.timeout(15):
        await bench.committer.close(0.1)
        outcomes = [outcome for (outcome,) in await asyncio.gather(*answers)]
    holder.execute("ROLLBACK")
    holder.close()
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert bench.count() == 0


async def test_log_without_a_checkpoint_gets_one_at_the_start(
    backend: Backend, issuers: Issuers, tmp_path: Path
) -> None:
    """After a crash between commit and checkpoint the next start signs what is there."""
    writer = backend.writer()
    append(writer, issuers, [signed()], time.time())
    writer.close()
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    await bench.committer.close(PATIENCE)
    with backend.engine.begin() as connection:
        assert list(connection.scalars(select(CHECKPOINTS.c.size))) == [1]


async def test_start_without_growth_publishes_nothing_again(backend: Backend, issuers: Issuers, tmp_path: Path) -> None:
    """The file that operators ship grows with the log, not with the restarts."""
    for _ in range(3):
        bench = Bench(backend, issuers, tmp_path, KEY)
        bench.checkpoints.read()
        bench.committer.start()
        await bench.committer.close(PATIENCE)
    assert bench.published.read_text().count("test/1\n0\n") == 1


OPEN_ORDER = OpenOrder("WO-17", "device", 10)


async def test_changes_and_certificates_keep_their_order(bench: Bench) -> None:
    """What was submitted first is recorded first: an order that was opened takes the certificate that follows."""
    waiting = [
        bench.record(signed(claim("device-01"))),
        bench.change(OPEN_ORDER),
        bench.record(signed(claim("device-02", work_order="WO-17"))),
        bench.change(CloseOrder("WO-17")),
        bench.record(signed(claim("device-03", work_order="WO-17"))),
    ]
    _, opened, (issued,), closed, (refused,) = await asyncio.gather(*waiting)
    assert isinstance(opened, OrderChanged)
    assert isinstance(issued, Recorded)
    assert isinstance(closed, OrderChanged)
    assert closed.order.issued == 1
    assert isinstance(refused, Refused)
    assert bench.kinds() == ["work_order_opened", "work_order_closed", "discarded"]


async def test_lost_reply_does_not_repeat_a_change(bench: Bench, failing: Failing) -> None:
    """The change is found by its event on the next attempt, and answered."""
    failing.next_commits(failing.transient, times=1, after=True)
    assert isinstance(await bench.change(OPEN_ORDER), OrderChanged)
    failing.next_commits(failing.transient, times=2)
    assert isinstance(await bench.change(CloseOrder("WO-17")), OrderChanged)
    assert bench.kinds() == ["work_order_opened", "work_order_closed"]


async def test_change_that_the_database_refuses_is_answered(bench: Bench, failing: Failing) -> None:
    """And what comes after it is recorded."""
    failing.next_commits(failing.lasting, times=1)
    assert isinstance(await bench.change(OPEN_ORDER), StoreUnavailable)
    assert isinstance(await bench.change(OPEN_ORDER), OrderChanged)


async def test_change_after_the_end_is_answered(backend: Backend, issuers: Issuers, tmp_path: Path) -> None:
    """Nobody waits for a thread that is gone."""
    bench = Bench(backend, issuers, tmp_path)
    bench.committer.start()
    last = asyncio.ensure_future(bench.change(OPEN_ORDER))
    await asyncio.sleep(0)
    await bench.committer.close(PATIENCE)
    assert isinstance(await last, OrderChanged)
    assert isinstance(await bench.change(CloseOrder("WO-17")), StoreUnavailable)
    assert bench.kinds() == ["work_order_opened"]
