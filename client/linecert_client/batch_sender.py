"""One call of a batch until each request has its outcome: what may be sent again is, under the same request_id."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import grpc

from linecert.v1.issuance_pb2 import IssuerChain
from linecert.v1.signing_pb2 import BatchSignDevicesRequest, BatchSignDevicesResponse, SignDeviceRequest
from linecert_client import errors, retry
from linecert_client.channels import Servers
from linecert_client.device_requests import DeviceRequest
from linecert_client.errors import LinecertError, Refused
from linecert_client.refusals import refused, refused_item
from linecert_client.results import IssuedDevice
from linecert_client.tls_probe import Unreached

Outcome: TypeAlias = IssuedDevice | Refused
Item: TypeAlias = SignDeviceRequest | Refused
"""What is sent for a request, or why it is not sent at all."""

MAX_REQUESTS: Final = 500
"""In a call, as the contract has it."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""In a call; the service takes a message of 9 MiB."""
_FRAME_BYTES: Final = 8  # tag and length of an item; generous


def portions(requests: Iterable[DeviceRequest]) -> Iterator[list[Item]]:
    """What goes into one call each, in order."""
    portion: list[Item] = []
    size = 0
    for request in requests:
        item = _item(request)
        weight = 0 if isinstance(item, Refused) else item.ByteSize() + _FRAME_BYTES
        if portion and (len(portion) == MAX_REQUESTS or size + weight > MAX_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += weight
    if portion:
        yield portion


class Sender:
    """Sends portions of a batch. Safe for threads.

    Args:
        servers: to send to, in turn.
        deadline: seconds for which a portion goes on without any outcome.
        examine_transport: as in `retry.Attempts`.
    """

    def __init__(
        self, servers: Servers, deadline: float, examine_transport: Callable[[float], Unreached | None]
    ) -> None:
        self._servers = servers
        self._deadline = deadline
        self._examine_transport = examine_transport
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[grpc.Future[Any]] = set()

    def stop(self) -> None:
        """Cancel the calls in flight and their repeats: nobody waits for them any more."""
        with self._lock:
            self._stopped.set()
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def send(self, items: Sequence[Item]) -> list[Outcome]:
        """The outcomes of a portion, in order.

        Raises:
            LinecertError: none of it has an outcome, and another attempt is in vain or the deadline is over.
            StoppedError: `stop` was called.
        """
        portion = _Portion(items)
        attempts = self._attempts()
        while portion.waiting:
            try:
                went_on = portion.take(self._call(portion.messages(), attempts.timeout()))
            except Refused as refusal:
                went_on = portion.fail(refusal)
            if went_on:
                attempts = self._attempts()
            if portion.waiting:
                try:
                    attempts.wait_after(portion.longest_wait())
                except LinecertError:
                    if not portion.any_settled:
                        raise
                    break
        return portion.in_order()

    def _attempts(self) -> retry.Attempts:
        return retry.Attempts(self._deadline, self._examine_transport, sleep=self._sleep)

    def _call(self, messages: list[SignDeviceRequest], timeout: float) -> list[Outcome]:
        method = self._servers.next().signing.BatchSignDevices
        try:
            with self._in_flight(method.future(BatchSignDevicesRequest(requests=messages), timeout=timeout)) as call:
                answer = call.result()
        except grpc.RpcError as error:
            raise refused(error) from error
        except grpc.FutureCancelledError:
            raise StoppedError from None
        return _outcomes(answer, len(messages))

    @contextlib.contextmanager
    def _in_flight(self, call: "grpc.Future[Any]") -> "Iterator[grpc.Future[Any]]":
        with self._lock:
            self._calls.add(call)
            stopped = self._stopped.is_set()
        try:
            if stopped:
                call.cancel()
            yield call
        finally:
            with self._lock:
                self._calls.discard(call)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise StoppedError


class StoppedError(Exception):
    """Nobody waits for the outcome any more."""


class _Portion:
    """How far a portion is.

    Attributes:
        waiting: what is still to be sent, by its place.
        any_settled: whether the service has settled any of it.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self.waiting: dict[int, SignDeviceRequest] = {}
        self.any_settled = False
        for place, item in enumerate(items):
            if isinstance(item, Refused):
                self._outcomes[place] = item
            else:
                self.waiting[place] = item

    def messages(self) -> list[SignDeviceRequest]:
        """What is still to be sent."""
        return list(self.waiting.values())

    def take(self, outcomes: Sequence[Outcome]) -> bool:
        """Keep the outcomes of what was waiting; returns whether any of it is settled."""
        before = len(self.waiting)
        for place, outcome in zip(list(self.waiting), outcomes, strict=True):
            self._outcomes[place] = outcome
            if not (isinstance(outcome, Refused) and retry.curable(outcome)):
                del self.waiting[place]
        went_on = len(self.waiting) < before
        self.any_settled |= went_on
        return went_on

    def fail(self, refusal: Refused) -> bool:
        """The call itself was refused, which settles nothing."""
        self._outcomes |= dict.fromkeys(self.waiting, refusal)
        return False

    def longest_wait(self) -> Refused:
        """Of what is still to be sent, the refusal that asks for the longest wait."""
        refusals = (self._outcomes[place] for place in self.waiting)
        return max(
            (refusal for refusal in refusals if isinstance(refusal, Refused)),
            key=lambda refusal: refusal.retry_after or 0,
        )

    def in_order(self) -> list[Outcome]:
        """The outcome of each item; the last refusal of what was given up."""
        return [self._outcomes[place] for place in range(len(self._outcomes))]


def _item(request: DeviceRequest) -> Item:
    try:
        return request.to_proto()
    except Refused as refusal:
        return refusal


def _outcomes(answer: BatchSignDevicesResponse, count: int) -> list[Outcome]:
    if len(answer.results) != count:
        raise _broken(f"{count} requests were answered with {len(answer.results)} results")
    chains = {chain.issuer_certificate_sha256: chain for chain in answer.chains}
    return [_outcome(result, chains) for result in answer.results]


def _outcome(result: BatchSignDevicesResponse.Result, chains: Mapping[str, IssuerChain]) -> Outcome:
    if not result.HasField("response"):
        return refused_item(result.error)
    issued = result.response.issued
    chain = chains.get(issued.issuer_certificate_sha256)
    if chain is None:
        return _broken("the answer lacks the chain of a certificate in it")
    return IssuedDevice.from_answer(issued, chain, replayed=result.response.replayed)


def _broken(problem: str) -> Refused:
    return Refused(f"the service breaks its contract: {problem}", status="INTERNAL", action=errors.CALL_OPERATOR)
