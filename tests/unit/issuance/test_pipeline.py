"""The issuance path with its ends in the test's hand: bursts, look-ups, detached work, deadlines."""

import asyncio
from typing import Any

import pytest

from linecert import contract
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.errors import Refused, StoreUnavailable
from linecert_service.domain.issued_counts import IssuedCounts
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.domain.requests import SignRequest
from linecert_service.issuance.pipeline import MAX_BURST, Answer, Job, Pipeline, Validated
from linecert_service.issuance.planning import Planner
from linecert_service.issuance.shared_limits import charge_others
from linecert_service.policy.limits import Limits
from support import csrs
from support.claims import NOW, claim, request_id, signed
from support.doubles import FakeClock, FakeLedger, FakeRecorder, NullMeter, issued
from support.issuing import caller, issuer, profile, request
from support.waiting import until


class Path:
    """A pipeline with doubles at its ends."""

    def __init__(self, kind: str = "P-256", standing: Outcome | None = None, **changes: Any) -> None:
        self.clock = FakeClock(NOW)
        self.recorder = FakeRecorder(at_once=changes.pop("at_once", True))
        self.ledger = FakeLedger(standing, changes.pop("error", None))
        planner = Planner(CsrChecker(), {"device": profile(issuer(kind))})
        guard = ClockGuard(self.clock)
        self.limits = Limits(self.clock, {}.get)
        self.pipeline = Pipeline(
            planner,
            ledger=self.ledger,
            recorder=self.recorder,
            limits=self.limits,
            clock=self.clock,
            guard=guard,
            meter=NullMeter(),
        )

    def job(self, asked: SignRequest | None = None, seconds: float = 30, **station: Any) -> Job:
        """Submit a request."""
        job = Job(asked or request(), caller(**station), self.clock.monotonic() + seconds)
        self.pipeline.submit(job)
        return job

    async def answer(self, asked: SignRequest | None = None, **station: Any) -> Answer:
        """Submit a request, and wait for its answer."""
        return await self.job(asked, **station).answer

    async def reason(self, asked: SignRequest | None = None, **station: Any) -> str:
        """The reason that a request is refused for."""
        with pytest.raises(Refused) as caught:
            await self.answer(asked, **station)
        return contract.refusal(caught.value.reason).name


class FakeCounter:
    """Has counted already."""

    def __init__(self, counts: IssuedCounts) -> None:
        self._counts = counts

    async def after(self, _start: int) -> IssuedCounts:
        """The same each time."""
        return self._counts


def requests(count: int) -> list[SignRequest]:
    """Requests of so many devices."""
    return [request(f"device-{number}", request_id=request_id(number)) for number in range(count)]


async def test_request_is_signed_recorded_and_answered() -> None:
    """The answer is what the recorder says of what was signed; no look-up was needed."""
    path = Path()
    answer = await path.answer()
    assert isinstance(answer, Recorded)
    assert answer.issued.record.certificate == path.recorder.recorded[0].certificate
    assert path.ledger.asked == 0


async def test_requests_under_load_share_a_burst() -> None:
    """What comes together is recorded together."""
    path = Path()
    await asyncio.gather(*(path.answer(asked) for asked in requests(10)))
    assert sum(path.recorder.bursts) == 10
    assert len(path.recorder.bursts) <= 2


async def test_burst_has_a_limit() -> None:
    """More than fits in one burst makes the next."""
    path = Path()
    await asyncio.gather(*(path.answer(asked) for asked in requests(MAX_BURST + 10)))
    assert sum(path.recorder.bursts) == MAX_BURST + 10
    assert max(path.recorder.bursts) <= MAX_BURST


async def test_bad_request_does_not_take_others_with_it() -> None:
    """Each request of a burst has its own end."""
    path = Path()
    jobs = [path.job(requests(1)[0]), path.job(request(csr=b"no CSR")), path.job(request("device-99"))]
    results = await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
    assert [type(result) for result in results] == [Recorded, Refused, Recorded]


async def test_abandoned_call_is_finished_all_the_same() -> None:
    """A caller that goes away leaves no certificate signed and unrecorded."""
    path = Path(at_once=False)
    job = path.job()
    waiting = asyncio.ensure_future(asyncio.wait([job.answer]))
    await asyncio.sleep(0.01)
    waiting.cancel()
    path.recorder.answer()
    await path.pipeline.drain()
    assert isinstance(job.answer.result(), Recorded)


async def test_nothing_is_begun_after_the_deadline() -> None:
    """A request whose deadline passed while it waited is not signed."""
    path = Path()
    job = path.job(seconds=0)
    with pytest.raises(Refused) as caught:
        await job.answer
    assert contract.refusal(caught.value.reason).name == "DEADLINE_TOO_SHORT"
    assert caught.value.retry_after
    assert path.recorder.recorded == []


async def test_refusal_of_the_policy_asks_the_store_first() -> None:
    """A repetition of what was issued is answered although the policy has changed since."""
    known = issued(signed(), replayed=True)
    assert await Path(standing=known).answer(profiles=(), default_profile=None) is known


async def test_refusal_of_the_policy_stands_for_a_new_request() -> None:
    """What the store does not know is refused."""
    path = Path()
    assert await path.reason(profiles=(), default_profile=None) == "PROFILE_NOT_ALLOWED"
    assert path.ledger.asked == 1


async def test_refusal_of_the_csr_asks_nobody() -> None:
    """A CSR of the wrong form is no repetition of anything."""
    path = Path()
    assert await path.reason(request(csr=b"no CSR")) == "CSR_MALFORMED"
    assert path.ledger.asked == 0


async def test_store_that_does_not_answer_is_no_refusal_of_the_policy() -> None:
    """Where the store cannot be asked, the caller is told to come again."""
    path = Path(error=StoreUnavailable("down"))
    assert await path.reason(profiles=(), default_profile=None) == "AUDIT_STORE_UNAVAILABLE"


async def test_validate_only_signs_nothing() -> None:
    """The answer is what would be issued."""
    path = Path()
    answer = await path.answer(request(validate_only=True))
    assert isinstance(answer, Validated)
    assert answer.claim.registration_id == "device-01"
    assert path.recorder.recorded == []


async def test_validate_only_tells_the_stores_refusal() -> None:
    """What an append would refuse, validate_only refuses."""
    refused = Refused(contract.reason_named("REGISTRATION_ID_TAKEN") or 0, "taken")  # type: ignore[arg-type]
    assert await Path(standing=refused).reason(request(validate_only=True)) == "REGISTRATION_ID_TAKEN"


async def test_pooled_signer_looks_before_it_signs() -> None:
    """With RSA a replay costs no signature."""
    known = issued(signed(), replayed=True)
    path = Path("RSA-2048", standing=known)
    assert await path.answer() is known
    assert path.recorder.recorded == []


async def test_pooled_signer_signs_in_threads() -> None:
    """New requests are signed and recorded, each as it comes."""
    path = Path("RSA-2048")
    answers = await asyncio.gather(*(path.answer(asked) for asked in requests(8)))
    assert len({answer.issued.record.serial for answer in answers if isinstance(answer, Recorded)}) == 8
    await path.pipeline.drain()


async def test_replacement_looks_before_it_signs() -> None:
    """A replacement that the store would refuse costs no signature."""
    refused = Refused(contract.reason_named("NOTHING_TO_REPLACE") or 0, "nothing")  # type: ignore[arg-type]
    path = Path(standing=refused)
    asked = request(replacement_reason="LOST")
    assert await path.reason(asked, replacement_reasons=frozenset({"LOST"})) == "NOTHING_TO_REPLACE"
    assert path.recorder.recorded == []


async def test_failed_look_up_answers_all_that_waited_for_it() -> None:
    """No request is left without an answer."""
    path = Path("RSA-2048", error=StoreUnavailable("down"))
    jobs = [path.job(asked) for asked in requests(3)]
    results = await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)


async def test_untrusted_clock_stops_issuance() -> None:
    """After a jump of the clock nothing more is issued."""
    path = Path()
    path.clock.now += 10_000
    assert await path.reason() == "CLOCK_UNTRUSTED"
    assert path.recorder.recorded == []


async def test_limit_refuses_new_requests_and_answers_repetitions() -> None:
    """A station at its limit is told to wait; what the store knows is answered all the same."""
    path = Path()
    await path.answer(per_minute=1)
    assert await path.reason(request("device-02"), per_minute=1) == "STATION_LIMIT_REACHED"
    path.ledger.standing = known = issued(signed(), replayed=True)
    assert await path.answer(per_minute=1) is known


async def test_limits_learn_where_the_certificate_stands() -> None:
    """So that the reading of the log does not count it again."""
    path = Path()
    answer = await path.answer(per_minute=2)
    assert isinstance(answer, Recorded)
    row = answer.issued.record
    counter = FakeCounter(IssuedCounts(row.log_index + 1, {("station-01", row.issued_at // 86_400_000_000): 1}))
    await charge_others(counter, path.pipeline, path.limits)
    assert path.limits.read_to == row.log_index + 1
    await path.answer(request("device-02"), per_minute=2)


async def test_what_is_being_recorded_is_waited_for_before_others_are_charged() -> None:
    """A certificate that is on disk and not answered yet would be taken for another server's."""
    path = Path(at_once=False)
    job = path.job(per_minute=2)
    await until(lambda: bool(path.recorder.bursts))
    counter = FakeCounter(IssuedCounts(1_000_000, {("station-01", NOW // 86_400): 1}))
    charging = asyncio.ensure_future(charge_others(counter, path.pipeline, path.limits))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not charging.done()
    path.recorder.answer()
    await charging
    assert job.answer.done()
    path.recorder.at_once = True
    await path.answer(request("device-02"), per_minute=2)


async def test_request_that_brought_nothing_new_costs_no_token() -> None:
    """A refused or repeated request leaves the limit as it was."""
    path = Path("RSA-2048", standing=issued(signed(), replayed=True))
    for _ in range(3):
        await path.answer(per_minute=1)
    path.ledger.standing = None
    assert isinstance(await path.answer(per_minute=1), Recorded)
    await path.pipeline.drain()


def test_csr_builder_is_the_checkers() -> None:
    """The CSR of these tests is a good one: refusals above have no other cause."""
    assert CsrChecker().check(csrs.make(registration_id="device-01")).registration_id == claim().registration_id
