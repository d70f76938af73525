"""`Client.sign_batch` against a real gRPC server: order, what is sent again, and what ends a batch."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from linecert.v1.signing_pb2 import BatchSignDevicesRequest, BatchSignDevicesResponse
from linecert_client import Client, DeviceRequest, IssuedDevice, Refused, TlsError, Unavailable, keys
from linecert_client.batch_sender import MAX_BYTES, MAX_REQUESTS, portions
from linecert_client.keys import KeyType
from support.client_pki import Pki, write_client_folder
from support.fake_service import FakeService, fail, hang, lose_answer, refusal, refuse

KEY = keys.generate(KeyType.P256)
OVERLOADED = refusal("OVERLOADED", "UNAVAILABLE", "retry", retry_after=0.01)
TAKEN = refusal("REGISTRATION_ID_TAKEN", "ALREADY_EXISTS", "fix_device")


def asked(number: int | str) -> DeviceRequest:
    """A request for a device."""
    name = f"device-{number}"
    return DeviceRequest(csr=keys.make_csr(KEY, name), registration_id=name)


def names(outcomes: Iterator[IssuedDevice | Refused]) -> list[str]:
    """The device of each certificate, the reason of each refusal."""
    return [outcome.registration_id if isinstance(outcome, IssuedDevice) else outcome.reason for outcome in outcomes]


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """A client of the fake service."""
    with Client.from_folder(folder) as client:
        yield client


def sizes(service: FakeService) -> list[int]:
    """How many requests each call had, largest first: calls in flight arrive in any order."""
    return sorted((len(request.requests) for request in service.requests), reverse=True)


def test_outcomes_keep_the_order_over_calls(client: Client, service: FakeService) -> None:
    """A thousand and more requests go out in calls of 500, two at once; each has its outcome at its place."""
    one = keys.make_csr(KEY, "device")
    requests = [DeviceRequest(csr=one, lot=f"lot-{number}") for number in range(2 * MAX_REQUESTS + 10)]
    done: list[int] = []
    outcomes = list(client.sign_batch(iter(requests), progress=done.append))
    assert [(found.lot, found.request_id) for found in outcomes if isinstance(found, IssuedDevice)] == [
        (request.lot, request.request_id) for request in requests
    ]
    assert sizes(service) == [500, 500, 10]
    assert done == [500, 500, 10]


def test_the_answer_has_everything_that_a_single_one_has(client: Client) -> None:
    """A device of a batch comes with its full chain."""
    request = asked(1)
    (single,) = client.sign_batch([request])
    assert isinstance(single, IssuedDevice)
    again = client.sign(request.csr, request_id=request.request_id)
    assert (again.full_chain_pem(), again.replayed) == (single.full_chain_pem(), True)


def test_a_call_stays_below_the_size_of_a_message() -> None:
    """Five hundred of the largest requests do not fit: they go out in two calls."""
    large = DeviceRequest(
        csr=b"\x30" * (16 * 1024), attributes={f"{number:032}": "v" * 128 for number in range(16)}, lot="l" * 64
    )
    found = list(portions(itertools.repeat(large, MAX_REQUESTS)))
    assert len(found) == 2
    for portion in found:
        messages = [item for item in portion if not isinstance(item, Refused)]
        assert BatchSignDevicesRequest(requests=messages).ByteSize() <= MAX_BYTES


def test_no_requests_are_no_call(client: Client, service: FakeService) -> None:
    """An empty batch asks nobody."""
    assert list(client.sign_batch([])) == []
    assert not service.requests


def test_requests_are_read_as_they_are_needed(client: Client) -> None:
    """A batch without end does not fill the memory: few calls are read ahead."""
    read = 0

    def endless() -> Iterator[DeviceRequest]:
        nonlocal read
        request = asked(1)
        while True:
            read += 1
            yield request

    outcomes = client.sign_batch(endless())
    next(outcomes)
    outcomes.close()
    assert read <= 5 * MAX_REQUESTS


@pytest.mark.parametrize(
    "csr, reason",
    [
        (b"", "CSR_MALFORMED"),
        (b"-----BEGIN private key-----", "CSR_NOT_ALONE"),
        (b"\x30" * (16 * 1024 + 1), "CSR_TOO_LARGE"),
    ],
)
def test_a_private_key_does_not_leave_the_station(
    client: Client, service: FakeService, csr: bytes, reason: str
) -> None:
    """What need not be asked is not sent, and holds up nobody."""
    assert names(client.sign_batch([asked(1), DeviceRequest(csr=csr), asked(2)])) == ["device-1", reason, "device-2"]
    assert sizes(service) == [2]


def test_only_what_may_be_sent_again_is(client: Client, service: FakeService) -> None:
    """An item that is overloaded is sent again under its request_id, alone; one that is refused for good is not."""
    service.refuse_items = {"device-1": [OVERLOADED, OVERLOADED], "device-3": [TAKEN]}
    requests = [asked(number) for number in range(5)]
    outcomes = names(client.sign_batch(requests))
    assert outcomes == ["device-0", "device-1", "device-2", "REGISTRATION_ID_TAKEN", "device-4"]
    assert [[item.request_id for item in call.requests] for call in service.requests] == [
        [request.request_id for request in requests],
        [requests[1].request_id],
        [requests[1].request_id],
    ]


def test_the_station_s_limit_is_waited_for(client: Client, service: FakeService) -> None:
    """RESOURCE_EXHAUSTED with a time is sent again after it; an outcome starts the deadline anew."""
    limited = refusal("STATION_LIMIT_REACHED", "RESOURCE_EXHAUSTED", "retry", retry_after=1)
    service.refuse_items = {f"device-{number}": [limited] * number for number in range(4)}
    # Three waits of a second and more: none alone is longer than the deadline, all together are.
    outcomes = names(client.sign_batch([asked(number) for number in range(4)], deadline=3))
    assert outcomes == [f"device-{number}" for number in range(4)]


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED"])
def test_a_lost_answer_makes_no_second_certificate(client: Client, service: FakeService, status: str) -> None:
    """A call that was carried out and whose answer was lost is sent again as it was."""
    service.script(lose_answer(status))
    outcomes = list(client.sign_batch([asked(1), asked(2)]))
    assert names(iter(outcomes)) == ["device-1", "device-2"]
    assert all(isinstance(outcome, IssuedDevice) and outcome.replayed for outcome in outcomes)
    assert len(service.issued) == 2


def test_what_the_deadline_ends_after_some_outcomes_is_refused_alone(client: Client, service: FakeService) -> None:
    """What was not cured says so, beside what was issued."""
    service.refuse_items = {"device-2": [OVERLOADED] * 1000}
    first, second = client.sign_batch([asked(1), asked(2)], deadline=3)
    assert isinstance(first, IssuedDevice)
    assert isinstance(second, Refused)
    assert (second.reason, second.action) == ("OVERLOADED", "retry")


def test_a_service_that_is_away_ends_the_batch(client: Client, service: FakeService) -> None:
    """When nothing goes on for a whole deadline the batch ends, without trying the rest."""
    service.script(*[fail("UNAVAILABLE")] * 500)
    requests = [asked(1)] * (10 * MAX_REQUESTS)
    with pytest.raises(Unavailable):
        list(client.sign_batch(requests, deadline=2, parallel=1))
    service._script.clear()


def test_a_refusal_of_the_caller_ends_the_batch(client: Client, service: FakeService) -> None:
    """It is nobody's outcome: all would be refused alike."""
    service.script(refuse("ROLE_MISSING", "PERMISSION_DENIED", "call_operator"))
    with pytest.raises(Refused) as caught:
        list(client.sign_batch([asked(1)]))
    assert caught.value.reason == "ROLE_MISSING"
    assert len(service.requests) == 1


def test_tls_that_fails_ends_the_batch(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """It is told at once, not tried until the deadline."""
    stranger = pki.stranger_ca.issue("stranger")
    folder = write_client_folder(tmp_path / "stranger", [service.address], stranger, pki.server_ca)
    with Client.from_folder(folder) as client, pytest.raises(TlsError):
        list(client.sign_batch([asked(1)], deadline=60))


def test_an_answer_that_breaks_the_contract_is_no_outcome(client: Client, service: FakeService) -> None:
    """Fewer results than requests could give a device another one's certificate."""

    def short(service: FakeService, request: Any, _: grpc.ServicerContext) -> Any:
        answer = service.issue_batch(request)
        return BatchSignDevicesResponse(results=answer.results[1:], chains=answer.chains)

    service.script(short)
    with pytest.raises(Refused, match="2 requests were answered with 1 results"):
        list(client.sign_batch([asked(1), asked(2)]))


def test_a_missing_chain_is_told(client: Client, service: FakeService) -> None:
    """A certificate without its chain is of no use."""

    def bare(service: FakeService, request: Any, _: grpc.ServicerContext) -> Any:
        return BatchSignDevicesResponse(results=service.issue_batch(request).results)

    service.script(bare)
    (outcome,) = client.sign_batch([asked(1)])
    assert isinstance(outcome, Refused)
    assert "lacks the chain" in outcome.message


def test_a_batch_that_is_given_up_does_not_wait_for_its_calls(client: Client, service: FakeService) -> None:
    """Calls in flight are cancelled when nobody reads on, such as after Ctrl-C."""
    arrived = threading.Event()

    def hanging(service: FakeService, request: Any, context: grpc.ServicerContext) -> Any:
        arrived.set()
        return hang(service, request, context)

    service.script(lambda *_: None, hanging, hanging)
    outcomes = client.sign_batch([asked(1)] * (3 * MAX_REQUESTS), deadline=600, parallel=1)
    next(outcomes)
    assert arrived.wait(30)
    outcomes.close()


@pytest.mark.parametrize("parallel", [0, 17])
def test_calls_in_flight_are_few(client: Client, parallel: int) -> None:
    """A number out of range is an error of the caller's."""
    with pytest.raises(ValueError, match="parallel"):
        list(client.sign_batch([], parallel=parallel))
