"""Callers that do not give up: each sends its request again, unchanged, until it is answered."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import grpc

from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from support import audit_log
from support.server import Caller, Refusal, Running, ask
from support.waiting import until

CALLERS: Final = 8
ATTEMPT_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.1
"""Shorter than what refusals ask for: more of the same request is under way at once."""


@dataclass(slots=True)
class PersistentLoad:
    """What persistent callers met.

    Attributes:
        answered: each request with its answer.
        refusals: how attempts ended that got none.
    """

    answered: list[tuple[SignDeviceRequest, SignDeviceResponse]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    async def goes_on(self, count: int = 3 * CALLERS) -> None:
        """Wait until so many more requests are answered."""
        wanted = len(self.answered) + count
        await until(lambda: len(self.answered) >= wanted)

    async def refused(self, reason: str) -> None:
        """Wait until an attempt was refused for a reason."""
        await until(lambda: reason in {refusal.reason for refusal in self.refusals})

    def check_refusals(self) -> None:
        """Nobody was told anything but to send again."""
        # On a busy machine the caller's own clock may be the first to ring; a server that is killed says nothing.
        assert {refusal.status for refusal in self.refusals} <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
        reasons = {refusal.reason for refusal in self.refusals}
        assert reasons <= {"AUDIT_STORE_UNAVAILABLE", "OVERLOADED", ""}
        assert all(refusal.retry_after for refusal in self.refusals if refusal.reason)

    async def check_answers(self, *servers: Running) -> None:
        """Nothing that was answered is missing, no device has two, and each request again has its first answer."""
        callers = [server.caller() for server in servers]
        again = await asyncio.gather(
            *(
                caller.sign(request)
                for caller, (request, _) in zip(itertools.cycle(callers), self.answered, strict=False)
            )
        )
        for (_, first), second in zip(self.answered, again, strict=True):
            assert second.replayed
            assert (second.issued, second.chain) == (first.issued, first.chain)
        log = audit_log.verified(servers[0].installation)
        assert sorted(record.certificate for record in log.certificates) == sorted(
            response.issued.certificate for _, response in self.answered
        )
        devices = [record.registration_key for record in log.certificates]
        assert len(devices) == len(set(devices)) == len(self.answered)
        for server in servers:
            await server.close_callers()

    async def _call(self, callers: Iterator[Caller], numbers: Iterator[int], ending: asyncio.Event) -> None:
        while not ending.is_set():
            request = ask(f"device-{next(numbers)}")
            self.answered.append((request, await self._ask(request, callers)))

    async def _ask(self, request: SignDeviceRequest, callers: Iterator[Caller]) -> SignDeviceResponse:
        while True:
            try:
                return await next(callers).sign(request, timeout=ATTEMPT_SECONDS)
            except grpc.aio.AioRpcError as error:
                self.refusals.append(Refusal.of(error))
                await asyncio.sleep(PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def under_load(*servers: Running) -> AsyncIterator[PersistentLoad]:
    """Persistent callers, of each server in turn; in the end what they have asked for is answered."""
    load, ending, numbers = PersistentLoad(), asyncio.Event(), itertools.count()
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            callers = _in_turn(servers, number)
            group.create_task(load._call(callers, numbers, ending))
        try:
            await load.goes_on()
            yield load
        finally:
            ending.set()
    for server in servers:
        await server.close_callers()


def _in_turn(servers: Sequence[Running], start: int) -> Iterator[Caller]:
    callers = [server.caller() for server in servers]
    return itertools.islice(itertools.cycle(callers), start, None)
