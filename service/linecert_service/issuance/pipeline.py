"""The issuance path: requests are gathered into bursts, and each burst goes through the numbered steps together.

Bursts are what makes it fast: the crypto of a burst runs back to back, one commit records it, and all answers leave
together. A request that was taken on is finished whatever becomes of its call: a certificate that was signed is
recorded, or discarded and never leaves memory. docs/issuance-cycle.md tells the same steps with what a crash between
any two of them leaves behind.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, TypeAlias

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
from linecert_service.issuance.planning import Caller, Planner, RefusedClaim
from linecert_service.policy.limits import Limits

GATHER_SECONDS: Final = 0.002
"""How long a burst gathers under load at first."""
LOOK_AGAIN_SECONDS: Final = 0.001
"""How long it goes on as long as more comes."""
MAX_GATHER_SECONDS: Final = 0.015
"""How long at most."""
MAX_BURST: Final = 64

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
        counted: the day for which it took a token of its station's limits; None before.
    """

    request: SignRequest
    caller: Caller
    deadline: float
    answer: asyncio.Future[Answer] = field(default_factory=_new_future)
    counted: int | None = None

    def settle(self, outcome: Answer | BaseException) -> None:
        """Give the answer, if anybody waits for it still."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


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
        self._waiting: deque[Job] = deque()
        self._unfinished: set[Job] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._gather_until = 0.0
        self._loop = asyncio.get_running_loop()
        self._pools: dict[Signer, ThreadPoolExecutor] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Take a request on. Returns at once; `job.answer` tells the end."""
        idle = not self._unfinished
        self._unfinished.add(job)
        job.answer.add_done_callback(lambda answer: self._finish(job, answer))
        self._waiting.append(job)
        if self._timer is None:
            self._gather_until = self._loop.time() + MAX_GATHER_SECONDS
            self._schedule(0 if idle else GATHER_SECONDS)
        elif len(self._waiting) == MAX_BURST:
            self._timer.cancel()
            self._schedule(0)

    async def drain(self) -> None:
        """Wait until everything that was taken on is finished."""
        while self._unfinished:
            await asyncio.wait([job.answer for job in self._unfinished])
        for pool in self._pools.values():
            pool.shutdown()

    def _finish(self, job: Job, answer: asyncio.Future[Answer]) -> None:
        self._unfinished.discard(job)
        # Looked at also so that asyncio does not complain where the call has ended before its request.
        new = not answer.exception() and isinstance(made := answer.result(), Recorded) and not made.replayed
        if job.counted is not None and not new:
            self._limits.give_back(job.caller.station, job.counted)

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
        # 1. Gather: at once when idle, for a moment under load.
        burst = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BURST))]
        self._timer = None
        if self._waiting:
            self._gather_until = 0.0
            self._schedule(0)
        self._meter.burst_taken(len(burst))
        # 2. Plan: CSR, policy, validity. What breaks a rule may be a repetition: then its certificate is the answer.
        plans = self._plan(burst)
        # 3. Look up first what may be answered without a signature, or must be.
        looked_up = [(job, plan) for job, plan in plans if _needs_look_up(job, plan)]
        if looked_up:
            self._spawn(self._look_up(looked_up), [job for job, _ in looked_up])
        # 4. to 6. Build, sign, verify, and hand over to the log.
        self._issue_here([(job, plan) for job, plan in plans if not _needs_look_up(job, plan)])

    def _plan(self, burst: Sequence[Job]) -> list[tuple[Job, Plan]]:
        plans: list[tuple[Job, Plan]] = []
        perhaps_replays: list[tuple[Job, RefusedClaim]] = []
        for job in burst:
            started = perf_counter()
            try:
                self._check_deadline(job)
                plan = self._planner.plan(job.request, job.caller, self._guard.now())
                self._take_token(job, plan)
                plans.append((job, plan))
            except RefusedClaim as refused:
                perhaps_replays.append((job, refused))
            except BaseException as error:  # noqa: BLE001 - the call is answered, the others of the burst go on
                job.settle(_of_the_library(error))
            self._meter.stage_done("validate", perf_counter() - started)
        if perhaps_replays:
            self._spawn(self._answer_replays(perhaps_replays), [job for job, _ in perhaps_replays])
        return plans

    def _take_token(self, job: Job, plan: Plan) -> None:
        if job.request.validate_only:
            return
        try:
            job.counted = self._limits.take(job.caller.station)
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

    async def _answer_replays(self, refused: Sequence[tuple[Job, RefusedClaim]]) -> None:
        replays = await self._ledger.replays([claim.claim for _, claim in refused], self._clock.time())
        for (job, claim), replay in zip(refused, replays, strict=True):
            job.settle(replay if replay is not None else claim.refusal)

    async def _look_up(self, plans: Sequence[tuple[Job, Plan]]) -> None:
        verdicts = await self._ledger.verdicts([plan.claim for _, plan in plans], self._clock.time())
        new = []
        for (job, plan), verdict in zip(plans, verdicts, strict=True):
            if verdict is not None:
                job.settle(verdict)
            elif job.request.validate_only:
                job.settle(Validated(plan.claim))
            else:
                new.append((job, plan))
        self._issue_here([(job, plan) for job, plan in new if not plan.profile.issuer.signer.workers])
        for job, plan in new:
            if plan.profile.issuer.signer.workers:
                self._spawn(self._issue_in_pool(job, plan), [job])

    def _issue_here(self, plans: Sequence[tuple[Job, Plan]]) -> None:
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

    async def _issue_in_pool(self, job: Job, plan: Plan) -> None:
        """Sign in a thread; each certificate goes to the log as it comes, not when the whole burst is signed."""
        pool = self._pool(plan.profile.issuer.signer)
        try:
            signed = await self._loop.run_in_executor(pool, self._make_in_time, job, plan)
        except BaseException as error:  # noqa: BLE001 - the call is answered
            self._settle_unsigned(job, plan, error)
        else:
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

        def on_recorded(outcomes: Sequence[Outcome]) -> None:
            for job, outcome in zip(jobs, outcomes, strict=True):
                job.settle(outcome)

        self._recorder.submit(signed, on_recorded)

    def _pool(self, signer: Signer) -> ThreadPoolExecutor:
        if signer not in self._pools:
            self._pools[signer] = ThreadPoolExecutor(signer.workers, thread_name_prefix="signer")
        return self._pools[signer]

    def _spawn(self, work: Coroutine[None, None, None], jobs: Sequence[Job]) -> None:
        """Run `work` beside the calls; whatever it raises is the answer of its jobs."""
        task = asyncio.ensure_future(_answering(work, jobs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answering(work: Coroutine[None, None, None], jobs: Sequence[Job]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the calls are answered
        for job in jobs:
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
