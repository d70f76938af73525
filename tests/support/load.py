"""Callers that ask for one device after the other until the server is gone."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc

from linecert.v1.signing_pb2 import SignDeviceRequest, SignDeviceResponse
from support.server import Caller, Refusal, Running, ask


@dataclass(slots=True)
class Load:
    """What callers asked for and what became of it.

    Attributes:
        answered: each request that got a certificate, with its answer.
        unanswered: each request that ended otherwise.
        refusals: with what those ended.
    """

    answered: list[tuple[SignDeviceRequest, SignDeviceResponse]] = field(default_factory=list)
    unanswered: list[SignDeviceRequest] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    async def run(self, server: Running, prefix: str, callers: int, *, connections: int = 4) -> None:
        """Ask with `callers` callers until each has met an end that is no answer."""
        shared = [server.caller() for _ in range(connections)]
        numbers = itertools.count()
        await asyncio.gather(*(self._call(shared[each % connections], prefix, numbers) for each in range(callers)))
        await server.close_callers()

    async def _call(self, station: Caller, prefix: str, numbers: Iterator[int]) -> None:
        while True:
            request = ask(f"{prefix}-{next(numbers)}")
            try:
                response = await station.sign(request, timeout=20)
            except grpc.aio.AioRpcError as error:
                self.unanswered.append(request)
                self.refusals.append(Refusal.of(error))
                return
            self.answered.append((request, response))
