"""Many callers at once: one certificate a device, and a log without gaps."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import grpc
import pytest

from linecert.v1.signing_pb2 import SignDeviceResponse
from linecert_service.installation.authorities import CaKeyType
from support import audit_log, csrs
from support.databases import write_lock
from support.installations import Installation
from support.server import Caller, Refusal, Running, ask, installation_at, refused, serving

CALLERS = 64
DEVICES = 40


async def test_two_equal_requests_at_the_same_moment_give_one_certificate(server: Running, station: Caller) -> None:
    """Over two connections, again and again: one is issued, the other is its replay."""
    other = server.caller()
    for number in range(20):
        request = ask(f"device-{number}")
        first, second = await asyncio.gather(station.sign(request), other.sign(request))
        assert {first.replayed, second.replayed} == {False, True}
        assert first.issued == second.issued
        assert first.chain == second.chain
    log = audit_log.verified(server.installation)
    assert len(log.certificates) == 20
    assert set(log.discarded()) <= {"REPLAYED"}


@pytest.mark.parametrize("key_type", ["p256", "rsa-3072"])
async def test_64_callers_with_duplicates_give_one_certificate_a_device(tmp_path: Path, key_type: CaKeyType) -> None:
    """Inline and pooled signing: equal requests, equal answers; foreign keys are refused; the log verifies."""
    installation = installation_at(tmp_path / "server", key_type)
    async with serving(installation) as server:
        connections = [server.caller() for _ in range(4)]
        answers = await asyncio.gather(*(_call(connections[number % 4], number) for number in range(CALLERS)))
    certificates: dict[str, set[bytes]] = {}
    reasons: Counter[str] = Counter()
    first_answers = 0
    for answer in (answer for several in answers for answer in several):
        if isinstance(answer, Refusal):
            reasons[answer.reason] += 1
            continue
        first_answers += not answer.replayed
        certificates.setdefault(answer.issued.registration_id, set()).add(answer.issued.certificate)
    log = audit_log.verified(installation)
    assert all(len(octets) == 1 for octets in certificates.values())
    assert {record.registration_id: {record.certificate} for record in log.certificates} == certificates
    assert first_answers == len(log.certificates) == len(certificates) == DEVICES
    assert set(reasons) == {"REGISTRATION_ID_TAKEN"}
    assert log.newest
    assert log.newest.size == log.size
    if key_type == "p256":
        # Every signature but those of the certificates was thrown away, and says so.
        assert len(log.discarded()) == CALLERS * 6 - DEVICES


async def _call(station: Caller, number: int) -> list[SignDeviceResponse | Refusal]:
    """Six requests, one after the other, for devices that other callers ask for too; every sixth with a wrong key."""
    source = random.Random(number)
    answers: list[SignDeviceResponse | Refusal] = []
    for turn in range(6):
        device = f"device-{(number * 6 + turn) % DEVICES}" if turn < 5 else f"device-{source.randrange(DEVICES)}"
        key = csrs.key("P-256", number=-1 - number) if turn == 5 else None
        try:
            answers.append(await station.sign(ask(device, key=key)))
        except grpc.aio.AioRpcError as error:
            answers.append(Refusal.of(error))
    return answers


async def test_a_call_that_is_cancelled_leaves_nothing_unrecorded(server: Running, station: Caller) -> None:
    """What was signed for it is recorded all the same, and its repetition gets it."""
    requests = [ask(f"device-{number}") for number in range(8)]
    with write_lock(server.installation):
        calls = [asyncio.ensure_future(station.sign(request)) for request in requests]
        await asyncio.sleep(0.2)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    answers = [await station.sign(request) for request in requests]
    assert all(answer.replayed for answer in answers)
    log = audit_log.verified(server.installation)
    assert {record.certificate for record in log.certificates} == {answer.issued.certificate for answer in answers}


async def test_a_call_without_an_answer_at_its_deadline_learns_why(server: Running, station: Caller) -> None:
    """While the store is slow: AUDIT_STORE_UNAVAILABLE, to be sent again; then it is the same certificate."""
    request = ask()
    with write_lock(server.installation):
        refusals = [await refused(station.sign(request, timeout=1)) for _ in range(3)]
    found = {(refusal.status, refusal.reason, refusal.action) for refusal in refusals}
    # On a busy machine the caller's own clock may be the first to ring, though not each time.
    assert found - {("DEADLINE_EXCEEDED", "", "")} == {("UNAVAILABLE", "AUDIT_STORE_UNAVAILABLE", "retry")}
    answer = await station.sign(request)
    assert answer.replayed
    assert [record.certificate for record in audit_log.verified(server.installation).certificates] == [
        answer.issued.certificate
    ]


async def test_what_does_not_fit_is_overloaded(installation: Installation) -> None:
    """With `limits.pending = 2` and a store that waits: the third is refused at once, and served afterwards."""
    installation.edit("[log]\n", "[limits]\npending = 2\n\n[log]\n")
    async with serving(installation) as server:
        station = server.caller()
        with write_lock(installation):
            held = [asyncio.ensure_future(station.sign(ask(f"device-{number}"))) for number in range(2)]
            await asyncio.sleep(0.2)
            request = ask("device-2")
            refusal = await refused(station.sign(request))
        assert (refusal.status, refusal.reason, refusal.action) == ("UNAVAILABLE", "OVERLOADED", "retry")
        assert refusal.retry_after
        await asyncio.gather(*held)
        assert not (await station.sign(request)).replayed
    assert len(audit_log.verified(installation).certificates) == 3


async def test_a_slot_is_held_until_the_request_is_recorded(installation: Installation) -> None:
    """A call that gave up does not make room for another one while its request is still under way."""
    installation.edit("[log]\n", "[limits]\npending = 1\n\n[log]\n")
    async with serving(installation) as server:
        station = server.caller()
        with write_lock(installation):
            await refused(station.sign(ask("device-0"), timeout=0.5))
            refusal = await refused(station.sign(ask("device-1")))
        assert refusal.reason == "OVERLOADED"


async def test_a_drain_finishes_what_was_taken_on(installation: Installation) -> None:
    """Calls under way when the server stops are answered, which is on disk then; nothing more is taken on."""
    async with serving(installation) as server:
        station = server.caller()
        with write_lock(installation):
            calls = [asyncio.ensure_future(station.sign(ask(f"device-{number}"))) for number in range(8)]
            await asyncio.sleep(0.2)
            drained = asyncio.ensure_future(server.drain())
            await asyncio.sleep(0.2)
            late = await refused(station.sign(ask("device-9"), timeout=1))
        answers = await asyncio.gather(*calls)
        await drained
    assert late.status in {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}
    log = audit_log.verified(installation)
    assert {record.certificate for record in log.certificates} == {answer.issued.certificate for answer in answers}
    assert log.newest
    assert log.newest.size == log.size
