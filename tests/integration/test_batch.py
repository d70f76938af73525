"""BatchSignDevices: each of its requests succeeds or fails by itself, and none of them twice."""

import asyncio
import contextlib
import uuid
from collections import Counter

import grpc.aio
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from linecert.v1.signing_pb2 import BatchSignDevicesRequest, BatchSignDevicesResponse, SignDeviceRequest
from linecert_service.rpc.batch import WINDOW
from support import audit_log, csrs
from support.outages import lock_held
from support.server import Caller, Running, ask, device_key, refused

DEVICES = 20


async def sign(station: Caller, *requests: SignDeviceRequest, seconds: float = 60) -> BatchSignDevicesResponse:
    """One call."""
    batch = BatchSignDevicesRequest(requests=requests)
    answer: BatchSignDevicesResponse = await station.signing.BatchSignDevices(batch, timeout=seconds)
    assert len(answer.results) == len(requests)
    return answer


def reason(error: status_pb2.Status) -> str:
    """The reason of an item's error, which carries what the error of a call carries."""
    info = error_details_pb2.ErrorInfo()
    assert error.details[0].Unpack(info)
    return info.reason


async def test_results_keep_the_order(server: Running, station: Caller) -> None:
    """Each device's certificate is at its request's place; the chain stands once, and in no response."""
    devices = [f"device-{number:03}" for number in range(DEVICES)]
    answer = await sign(station, *map(ask, devices))
    assert [result.response.issued.registration_id for result in answer.results] == devices
    assert len(answer.chains) == 1
    single = await station.sign(ask("single"))
    assert answer.chains[0] == single.chain
    for result in answer.results:
        assert not result.response.HasField("chain")
        assert result.response.issued.issuer_certificate_sha256 == answer.chains[0].issuer_certificate_sha256
    assert len(audit_log.verified(server.installation).certificates) == DEVICES + 1


async def test_a_failure_is_its_items_alone(server: Running, station: Caller) -> None:
    """Bad items answer with their reason and the details of a call; good ones beside them are issued."""
    hostile = "device x"
    answer = await sign(
        station,
        ask("device-01"),
        ask("device-02", csr=b""),
        ask("device-03", request_id="no-uuid"),
        ask("device-04", csr=csrs.make(hostile, device_key("x"))),
        ask("device-05", registration_id="device-06"),
        ask("device-07"),
    )
    outcomes = [
        result.response.issued.registration_id if result.HasField("response") else reason(result.error)
        for result in answer.results
    ]
    assert outcomes == [
        "device-01",
        "CSR_MALFORMED",
        "REQUEST_ID_INVALID",
        "REGISTRATION_ID_INVALID",
        "REGISTRATION_ID_MISMATCH",
        "device-07",
    ]
    assert {result.error.code for result in answer.results} == {code_pb2.OK, code_pb2.INVALID_ARGUMENT}
    log = audit_log.verified(server.installation)
    assert sorted(record.registration_id for record in log.certificates) == ["device-01", "device-07"]
    scraped = await asyncio.to_thread(server.scrape)
    assert 'linecert_rejected_requests_total{line="line-01",reason="CSR_MALFORMED",station="station-01"} 1.0' in scraped


async def test_the_same_batch_again_is_the_same_answer(server: Running, station: Caller) -> None:
    """A batch that is sent again after a lost answer makes no second certificate."""
    requests = [ask(f"device-{number}") for number in range(DEVICES)]
    first = await sign(station, *requests)
    again = await sign(station, *requests)
    assert all(result.response.replayed for result in again.results)
    assert [result.response.issued for result in again.results] == [result.response.issued for result in first.results]
    assert len(audit_log.verified(server.installation).certificates) == DEVICES


async def test_one_device_twice_in_a_batch(server: Running, station: Caller) -> None:
    """The same request twice, and the same device under two request_ids: one certificate, given to both."""
    twice = ask("device-01")
    other = SignDeviceRequest()
    other.CopyFrom(twice)
    other.request_id = str(uuid.uuid4())
    answer = await sign(station, twice, twice, other)
    assert len({result.response.issued.serial_number for result in answer.results}) == 1
    assert sorted(result.response.replayed for result in answer.results) == [False, True, True]
    assert len(audit_log.verified(server.installation).certificates) == 1


async def test_validated_only(server: Running, station: Caller) -> None:
    """An item may ask for the checks alone, beside others that are issued."""
    answer = await sign(station, ask("device-01", validate_only=True), ask("device-02"))
    assert not answer.results[0].response.issued.certificate
    assert answer.results[1].response.issued.certificate
    assert len(audit_log.verified(server.installation).certificates) == 1


@pytest.mark.parametrize("count", [0, 500])
async def test_sizes_that_are_taken(server: Running, station: Caller, count: int) -> None:
    """None, and as many as the contract says: more than there are slots for at once."""
    request = ask()
    answer = await sign(station, *[request] * count)
    assert all(result.HasField("response") for result in answer.results)
    assert len(audit_log.verified(server.installation).certificates) == min(count, 1)


async def test_too_many(server: Running, station: Caller) -> None:
    """One more is refused as a whole, before anything is begun."""
    batch = BatchSignDevicesRequest(requests=[ask()] * 501)
    refusal = await refused(station.signing.BatchSignDevices(batch, timeout=30))
    assert (refusal.reason, refusal.field) == ("BATCH_TOO_LARGE", "requests")
    assert not audit_log.verified(server.installation).certificates


async def test_what_the_deadline_does_not_reach_is_safe_to_send_again(server: Running, station: Caller) -> None:
    """While the store is held up: what was begun and what was not is UNAVAILABLE; sent again, all of it is issued."""
    requests = [ask(f"device-{number}") for number in range(2 * WINDOW)]
    with lock_held(server.installation):
        answer = await sign(station, *requests, seconds=2)
    reasons = Counter(reason(result.error) for result in answer.results)
    assert reasons == {"AUDIT_STORE_UNAVAILABLE": WINDOW, "DEADLINE_TOO_SHORT": WINDOW}
    again = await sign(station, *requests)
    assert all(result.HasField("response") for result in again.results)
    log = audit_log.verified(server.installation)
    assert len(log.certificates) == len({record.registration_id for record in log.certificates}) == len(requests)


async def test_a_call_that_is_given_up(server: Running, station: Caller) -> None:
    """What was begun is finished, and the slots come back: the next batch finds its certificates."""
    requests = [ask(f"device-{number}") for number in range(300)]
    call = station.signing.BatchSignDevices(BatchSignDevicesRequest(requests=requests), timeout=60)
    await asyncio.sleep(0.1)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call
    again = await sign(station, *requests)
    assert all(result.HasField("response") for result in again.results)
    assert len(audit_log.verified(server.installation).certificates) == len(requests)
    assert "linecert_pending_requests 0.0" in await asyncio.to_thread(server.scrape)
