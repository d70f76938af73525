"""A station that floods with what is refused, over several connections: another one is served all the same."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import grpc
import pytest

from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_service.installation.add_station import AddOptions, add_station
from support import audit_log
from support.installations import Installation
from support.server import Caller, ServerProcess, ask, events_of
from support.waiting import until

CONNECTIONS = 4
CALLERS = 150
"""On each connection; together more than the slots that there are."""
MODEST = 20


@pytest.fixture
def installation(installation: Installation) -> Installation:
    """With one more station."""
    add_station(installation.settings(), AddOptions("greedy", "line-01"), datetime.now(UTC))
    return installation


@contextlib.asynccontextmanager
async def flooding(server: ServerProcess, request: SignDeviceRequest) -> AsyncIterator[list[grpc.StatusCode]]:
    """Call with what is refused, again at once after each answer; gives what came of the calls."""
    ended: list[grpc.StatusCode] = []

    async def flood(caller: Caller) -> None:
        while True:
            try:
                await caller.sign(request)
            except grpc.aio.AioRpcError as error:
                ended.append(error.code())

    callers = [server.caller("greedy") for _ in range(CONNECTIONS)]
    tasks = [asyncio.ensure_future(flood(caller)) for caller in callers for _ in range(CALLERS)]
    try:
        yield ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_another_station_is_served(server: ServerProcess) -> None:
    """Each of its calls succeeds at the first try, although it is not sent again, and the flood's are all answered."""
    bad = ask("greedy", csr=b"no CSR")
    async with flooding(server, bad) as ended:
        await until(lambda: len(ended) >= CONNECTIONS * CALLERS)
        station = server.caller()
        for number in range(MODEST):
            assert (await station.sign(ask(f"modest-{number}"), timeout=60)).issued.certificate
        begun = len(ended)
    assert set(ended[:begun]) == {grpc.StatusCode.INVALID_ARGUMENT}
    await server.close_callers()
    assert len(audit_log.verified(server.installation).certificates) == MODEST
    lines = [event for event in events_of(server.lines) if event.get("event") == "rejected"]
    # Ten a second; what was not told is counted in the next line.
    assert 0 < len(lines) < begun
    assert sum(int(line.get("untold", 0)) for line in lines) > 0
