"""The thread that appends: it gathers what is submitted while a transaction runs, and makes the next one of it.

What it was given is answered, whatever happens to the caller, to the store, or to the thread itself.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import OnRecorded, Outcome
from linecert_service.domain.requests import SignedCertificate
from linecert_service.domain.work_orders import OrderChange, OrderOutcome
from linecert_service.store.append import Entry
from linecert_service.store.appender import Appender
from linecert_service.store.checkpoints import Checkpoints
from linecert_service.store.log_guard import LogInconsistent
from linecert_service.store.watcher import Watcher

MAX_ENTRIES: Final = 256
"""At which size a transaction takes no further submission."""

STUCK_SECONDS: Final = 5.0
"""After which an append that is still under way counts as stuck."""

OnChanged: TypeAlias = Callable[[OrderOutcome], None]
"""Called in the event loop with what became of the change of a work order."""


@dataclass(frozen=True, slots=True)
class _Submission:
    entries: Sequence[Entry]
    on_recorded: OnRecorded

    @property
    def certificates(self) -> int:
        """How many outcomes it waits for."""
        return sum(isinstance(entry, SignedCertificate) for entry in self.entries)

    def refused(self, error: Refused) -> Callable[[], None]:
        """What tells its owner that it was refused."""
        return partial(self.on_recorded, [error] * self.certificates)


@dataclass(frozen=True, slots=True)
class _Change:
    """The change of a work order: a transaction of its own."""

    change: OrderChange
    actor: str
    on_changed: OnChanged

    def refused(self, error: Refused) -> Callable[[], None]:
        """What tells its owner that it was refused."""
        return partial(self.on_changed, error)


_Job: TypeAlias = _Submission | _Change


class Committer:
    """Appends in a thread of its own; see `domain.ports.Recorder`.

    Args:
        appender: appends.
        checkpoints: signed when the log has grown.
        clock: the time.
        watcher: told how the store does.
    """

    def __init__(self, appender: Appender, checkpoints: Checkpoints, clock: Clock, watcher: Watcher) -> None:
        self._appender = appender
        self._checkpoints = checkpoints
        self._clock = clock
        self._watcher = watcher
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer")
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to append; outcomes are delivered in the event loop that this is called in."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, signed: Sequence[SignedCertificate], on_recorded: OnRecorded) -> None:
        """Take over certificates."""
        self._put(_Submission(signed, on_recorded))

    def record(self, event: NewEvent) -> None:
        """Take over an event."""
        self._put(_Submission([event], _ignore))

    def change(self, change: OrderChange, actor: str, on_changed: OnChanged) -> None:
        """Take over the change of a work order that `actor` asks for. Returns at once."""
        self._put(_Change(change, actor, on_changed))

    def check(self) -> None:
        """Look whether it works.

        Raises:
            StoreUnavailable: its thread has ended, or waits for the database.
        """
        since = self._appender.busy_since
        if self._ended.is_set():
            raise StoreUnavailable("the thread that records has ended: restart the service")
        if since is not None and self._clock.monotonic() - since > STUCK_SECONDS:
            raise StoreUnavailable("the audit store has not recorded anything for some seconds")

    async def close(self, patience: float) -> None:
        """Record what was submitted, and end.

        Args:
            patience: seconds after which it no longer waits for a store that cannot write.
        """
        self._queue.put(None)
        timer = threading.Timer(patience, self._appender.give_up)
        timer.start()
        await asyncio.to_thread(self._thread.join)
        timer.cancel()

    def _put(self, job: _Job) -> None:
        self._queue.put(job)
        if self._ended.is_set():
            self._refuse_left_over()

    def _run(self) -> None:
        try:
            self._work()
            if self._appender.stopped is None:
                self._checkpoint(self._checkpoints.close)
        except BaseException as error:  # noqa: BLE001 - the thread must not end without a word
            self._watcher.died(error)
        finally:
            self._appender.close()
            # Set before the last look: what is put afterwards is refused by who puts it.
            self._ended.set()
            self._refuse_left_over()

    def _work(self) -> None:
        ending = False
        while not ending:
            burst, change, ending = self._gather()
            jobs: list[_Job] = [*burst, *change]
            try:
                self._settle(burst)
                del jobs[: len(burst)]
                self._make(change)
            except BaseException:
                self._refuse(jobs)
                raise
            if self._until_checkpoint() == 0.0:
                self._checkpoint(lambda: self._checkpoints.catch_up(self._size()))

    def _gather(self) -> tuple[list[_Submission], list[_Change], bool]:
        """What has been submitted, as far as it fits in a transaction; a change behind it; whether it was the last."""
        burst: list[_Submission] = []
        entries = 0
        try:
            job = self._queue.get(timeout=self._until_checkpoint())
            while job is not None:
                if isinstance(job, _Change):
                    return burst, [job], False
                burst.append(job)
                entries += len(job.entries)
                if entries >= MAX_ENTRIES:
                    return burst, [], False
                job = self._queue.get_nowait()
        except queue.Empty:
            return burst, [], False
        return burst, [], True

    def _until_checkpoint(self) -> float | None:
        """Seconds; None: nothing has grown, or nothing more is signed."""
        return None if self._appender.stopped else self._checkpoints.wait(self._size())

    def _size(self) -> int | None:
        head = self._appender.head
        return head.size if head else None

    def _settle(self, burst: Sequence[_Submission]) -> None:
        if not burst:
            return
        outcomes = iter(self._appender.append([entry for submission in burst for entry in submission.entries]))
        self._deliver(
            [
                partial(submission.on_recorded, [next(outcomes) for _ in range(submission.certificates)])
                for submission in burst
            ]
        )

    def _make(self, changes: Sequence[_Change]) -> None:
        for change in changes:
            outcome = self._appender.change(change.change, change.actor)
            self._deliver([partial(change.on_changed, outcome)])

    def _refuse(self, jobs: Sequence[_Job]) -> None:
        error = StoreUnavailable("this server records nothing more; send the same again")
        self._deliver([job.refused(error) for job in jobs])

    def _refuse_left_over(self) -> None:
        """Answer what came after the end."""
        left: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            while True:
                if job := self._queue.get_nowait():
                    left.append(job)
        if left:
            self._refuse(left)

    def _checkpoint(self, action: Callable[[], None]) -> None:
        try:
            action()
        except LogInconsistent as error:
            self._appender.stop(error)
        except Exception as error:  # noqa: BLE001 - a checkpoint that is late is not a certificate that is lost
            self._watcher.checkpoint_failed(error)

    def _deliver(self, answers: Sequence[Callable[[], None]]) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        for answer in answers:
            # One callback each: should one fail, the loop logs it and goes on with the others.
            self._loop.call_soon_threadsafe(answer)


def _ignore(_outcomes: Sequence[Outcome]) -> None:
    """What an event is answered."""
