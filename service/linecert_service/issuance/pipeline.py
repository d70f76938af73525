"""The issuance path: requests are gathered into bursts, and each burst goes through the numbered steps together.

Bursts are what makes it fast: the crypto of a burst runs back to back, one commit records it, and all answers leave
together. Stations take turns in them, and wherever else requests wait: who floods is in its own way, and everybody
else has a request in the next burst. A request that was taken on is finished whatever becomes of its call: a
certificate that was signed is recorded, or discarded and never leaves memory. docs/issuance-cycle.md tells the same
steps with what a crash between any two of them leaves behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Final, TypeAlias, TypeVar

import structlog

from linecert import contract
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.library import raise_unless_of_library
from linecert_service.domain.clock import Clock, ClockGuard
from linecert_service.domain.errors import Refused, SignatureUnusable
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import Ledger, Meter, Outcome, Recorder, Signer
from linecert_service.domain.records import Recorded
from linecert_service.domain.requests import Claim, SignedCertificate, SignRequest
from linecert_service.issuance.certificate import Plan, make
from linecert_service.issuance.fair_queue import FairQueue
from linecert_service.issuance.lanes import Lanes
from linecert_service.issuance.planning import Caller, Planner, RefusedClaim
from linecert_service.policy.limits import Limits

GATHER_SECONDS: Final = 0.002
"""How long a burst gathers under load at first."""
LOOK_AGAIN_SECONDS: Final = 0.001
"""How long it goes on as long as more comes."""
MAX_GATHER_SECONDS: Final = 0.015
"""How long at most."""
MAX_BURST: Final = 64
LOOK_UPS: Final = 2
"""How many look-ups of each kind are under way at once: the store has threads for about as many."""
HANDED_AHEAD: Final = 8
"""How many requests wait right before a signer's threads, which have work then while the event loop is at a burst."""

_log = structlog.get_logger("linecert.issuance")


@dataclass(frozen=True, slots=True)
class Validated:
    """The answer to validate_only: `claim` would be issued."""

    claim: Claim


Answer: TypeAlias = Recorded | Validated


def _new_future() -> asyncio.Future[Answer]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class Job:
    """One request on its way.

    Attributes:
        request: what is asked.
        caller: by whom.
        deadline: on the clock's `monotonic`; nothing is begun for a request that is past it.
        answer: resolved when the request is finished, which may be after its call has ended.
        counted_for: the day for which it took a token of its station's limits; None before.
        at_signer: whether it waits for a signer that is not this process itself.
    """

    request: SignRequest
    caller: Caller
    deadline: float
    answer: asyncio.Future[Answer] = field(default_factory=_new_future)
    counted_for: int | None = None
    at_signer: bool = False

    @property
    def station(self) -> str:
        """Whose turn it takes."""
        return self.caller.station.name

    def settle(self, outcome: Answer | BaseException) -> None:
        """Give the answer, if anybody waits for it still."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


_Planned: TypeAlias = tuple[Job, Plan]
_Refused: TypeAlias = tuple[Job, RefusedClaim]
_Item = TypeVar("_Item", _Planned, _Refused)


class Pipeline:
    """Issues certificates.

    Args:
        planner: makes plans of requests.
        ledger: reads what stands.
        recorder: appends to the log.
        limits: how many certificates stations get.
        clock: the time.
        guard: gives the wall clock's time, if it may be trusted.
        meter: is told what happens.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        ledger: Ledger,
        recorder: Recorder,
        limits: Limits,
        clock: Clock,
        guard: ClockGuard,
        meter: Meter,
    ) -> None:
        self._planner = planner
        self._ledger = ledger
        self._recorder = recorder
        self._limits = limits
        self._clock = clock
        self._guard = guard
        self._meter = meter
        self._waiting: FairQueue[Job] = FairQueue()
        self._unfinished: set[Job] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._gather_until = 0.0
        self._loop = asyncio.get_running_loop()
        self._replays = Lanes(partial(_answering, self._answer_replays), lanes=LOOK_UPS, together=MAX_BURST)
        self._look_ups = Lanes(partial(_answering, self._look_up), lanes=LOOK_UPS, together=MAX_BURST)
        self._pools: dict[Signer, ThreadPoolExecutor] = {}
        self._pooled: dict[Signer, Lanes[_Planned]] = {}
        self._recording: set[asyncio.Future[None]] = set()

    def submit(self, job: Job) -> None:
        """Take a request on. Returns at once; `job.answer` tells the end."""
        idle = not self._unfinished
        self._unfinished.add(job)
        job.answer.add_done_callback(lambda answer: self._finish(job, answer))
        self._waiting.push(job.station, job)
        if self._timer is None:
            self._gather_until = self._loop.time() + MAX_GATHER_SECONDS
            self._schedule(0 if idle else GATHER_SECONDS)
        elif len(self._waiting) == MAX_BURST:
            self._timer.cancel()
            self._schedule(0)

    async def recorded(self) -> None:
        """Wait until all that has been handed over to the log is answered."""
        if self._recording:
            await asyncio.wait(self._recording)

    async def drain(self) -> None:
        """Wait until everything that was taken on is finished. Afterwards, or when cancelled, no thread signs more."""
        try:
            while self._unfinished:
                await asyncio.wait([job.answer for job in self._unfinished])
        finally:
            # A thread that hangs in a signer must not hold up the event loop.
            for pool in self._pools.values():
                pool.shutdown(wait=False)

    def _finish(self, job: Job, answer: asyncio.Future[Answer]) -> None:
        self._unfinished.discard(job)
        # Looked at also so that asyncio does not complain where the call has ended before its request.
        made = None if answer.exception() else answer.result()
        if job.counted_for is None:
            return
        if isinstance(made, Recorded) and not made.replayed:
            self._limits.recorded(made.issued.record, job.counted_for)
        else:
            self._limits.give_back(job.station, job.counted_for)

    def _schedule(self, delay: float) -> None:
        self._timer = self._loop.call_later(delay, self._look, len(self._waiting))

    def _look(self, seen: int) -> None:
        """Begin a burst, unless requests are still coming in: each one that joins saves a commit of its own."""
        count = len(self._waiting)
        if seen < count < MAX_BURST and self._loop.time() < self._gather_until:
            self._schedule(LOOK_AGAIN_SECONDS)
        else:
            self._next_burst()

    def _next_burst(self) -> None:
        # 1. Gather: at once when idle, for a moment under load; by turns of the stations.
        burst = self._waiting.take(MAX_BURST)
        self._timer = None
        if self._waiting:
            self._gather_until = 0.0
            self._schedule(0)
        self._meter.burst_taken(len(burst))
        # 2. Plan: CSR, policy, validity. What breaks a rule may be a repetition: then its certificate is the answer.
        plans = self._plan(burst)
        # 3. Look up first what may be answered without a signature, or must be.
        here = []
        for job, plan in plans:
            if _needs_look_up(job, plan):
                self._look_ups.put(job.station, (job, plan))
            else:
                here.append((job, plan))
        # 4. to 6. Build, sign, verify, and hand over to the log.
        self._issue_here(here)

    def _plan(self, burst: Sequence[Job]) -> list[_Planned]:
        plans: list[_Planned] = []
        for job in burst:
            started = perf_counter()
            try:
                self._check_deadline(job)
                plan = self._planner.plan(job.request, job.caller, self._guard.now())
                self._take_token(job, plan)
                plans.append((job, plan))
            except RefusedClaim as refused:
                self._replays.put(job.station, (job, refused))
            except BaseException as error:  # noqa: BLE001 - the call is answered, the others of the burst go on
                job.settle(_of_the_library(error))
            self._meter.stage_done("validate", perf_counter() - started)
        return plans

    def _take_token(self, job: Job, plan: Plan) -> None:
        if job.request.validate_only:
            return
        try:
            job.counted_for = self._limits.take(job.caller.station)
        except Refused as refusal:
            raise RefusedClaim(refusal, plan.claim) from None

    def _check_deadline(self, job: Job) -> None:
        if self._clock.monotonic() >= job.deadline:
            raise Refused(
                reasons.ERROR_REASON_DEADLINE_TOO_SHORT,
                "the deadline passed before work was begun: nothing was started; send again with the same request_id "
                "and a longer deadline",
                retry_after=1.0,
            )

    async def _answer_replays(self, refused: Sequence[_Refused]) -> None:
        replays = await self._ledger.replays([claim.claim for _, claim in refused], self._clock.time())
        for (job, claim), replay in zip(refused, replays, strict=True):
            job.settle(replay if replay is not None else claim.refusal)

    async def _look_up(self, plans: Sequence[_Planned]) -> None:
        verdicts = await self._ledger.verdicts([plan.claim for _, plan in plans], self._clock.time())
        here = []
        for (job, plan), verdict in zip(plans, verdicts, strict=True):
            if verdict is not None:
                job.settle(verdict)
            elif job.request.validate_only:
                job.settle(Validated(plan.claim))
            elif plan.profile.issuer.signer.workers:
                job.at_signer = True
                self._lanes(plan.profile.issuer.signer).put(job.station, (job, plan))
            else:
                here.append((job, plan))
        self._issue_here(here)

    def _issue_here(self, plans: Sequence[_Planned]) -> None:
        """Sign in the event loop, and record the burst as one."""
        signed: list[SignedCertificate] = []
        jobs: list[Job] = []
        for job, plan in plans:
            try:
                signed.append(self._make_in_time(job, plan))
                jobs.append(job)
            except BaseException as error:  # noqa: BLE001 - the call is answered, the others of the burst go on
                self._settle_unsigned(job, plan, error)
        if signed:
            self._record(jobs, signed)

    async def _issue_in_pool(self, plans: Sequence[_Planned]) -> None:
        """Sign in a thread; each certificate goes to the log as it comes, not when the whole burst is signed."""
        for job, plan in plans:
            signer = plan.profile.issuer.signer
            attempt = partial(self._loop.run_in_executor, self._pools[signer], self._make_in_time, job, plan)
            try:
                signed = await signer.in_turn(attempt, job.deadline)
            except BaseException as error:  # noqa: BLE001 - the call is answered
                self._settle_unsigned(job, plan, error)
            else:
                job.at_signer = False
                self._record([job], [signed])

    def _make_in_time(self, job: Job, plan: Plan) -> SignedCertificate:
        # It may have waited for a thread, or for a look-up.
        self._check_deadline(job)
        return make(plan, self._meter)

    def _settle_unsigned(self, job: Job, plan: Plan, error: BaseException) -> None:
        """Answer a job that got no certificate; a signature that was made all the same is told to the log."""
        job.settle(_of_the_library(error))
        if isinstance(error, SignatureUnusable):
            _log.error("signature unusable", serial_number=error.serial.hex(), problem=error.message)
            claim = plan.claim
            self._recorder.record(
                NewEvent(
                    "discarded",
                    serial=error.serial,
                    registration_key=claim.registration_key,
                    station=claim.station,
                    reason=contract.refusal(error.reason).name,
                )
            )

    def _record(self, jobs: Sequence[Job], signed: Sequence[SignedCertificate]) -> None:
        """Append, and answer what was appended: steps 7 and 8."""
        recorded: asyncio.Future[None] = self._loop.create_future()
        self._recording.add(recorded)

        def on_recorded(outcomes: Sequence[Outcome]) -> None:
            for job, outcome in zip(jobs, outcomes, strict=True):
                job.settle(outcome)
            self._recording.discard(recorded)
            recorded.set_result(None)

        self._recorder.submit(signed, on_recorded)

    def _lanes(self, signer: Signer) -> Lanes[_Planned]:
        """What stands before the threads of a signer."""
        if signer not in self._pooled:
            self._pools[signer] = ThreadPoolExecutor(signer.workers, thread_name_prefix="signer")
            self._pooled[signer] = Lanes(partial(_answering, self._issue_in_pool), lanes=signer.workers + HANDED_AHEAD)
        return self._pooled[signer]


async def _answering(work: Callable[[Sequence[_Item]], Awaitable[None]], items: Sequence[_Item]) -> None:
    """Work on some jobs; whatever that raises is their answer."""
    try:
        await work(items)
    except Exception as error:  # noqa: BLE001 - the calls are answered
        for job, _ in items:
            job.settle(error)


def _of_the_library(error: BaseException) -> Exception:
    """`error`, as an answer; a cancellation, an interrupt or an exit goes on up."""
    if isinstance(error, Exception):
        return error
    raise_unless_of_library(error)
    wrapped = RuntimeError("cryptography failed in its Rust part")
    wrapped.__cause__ = error
    return wrapped


def _needs_look_up(job: Job, plan: Plan) -> bool:
    """Where a signature is dear, or is not wanted at all, the store is asked before."""
    request = job.request
    return plan.profile.issuer.signer.workers > 0 or request.validate_only or request.replacement_reason is not None
