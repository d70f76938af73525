"""The limits of a station that calls several servers on one PostgreSQL."""

import asyncio
import itertools
import time
from pathlib import Path

import grpc.aio

from support import audit_log, csrs
from support.databases import new_postgresql_store
from support.fleet import drain, fleet
from support.server import STATION, Caller, Refusal, ServerProcess, ask, refused

PER_DAY = 5
OTHER = "station-02"
DAY = 86_400
DAY_ENDS_SECONDS = 60
PATIENCE_SECONDS = 60


async def test_what_one_server_issued_the_other_does_not_issue_again(tmp_path: Path) -> None:
    """The day's limit holds over both to the very certificate, once they have read the log; also over a restart."""
    await _away_from_midnight()
    store = new_postgresql_store()
    async with fleet(tmp_path, 2, store, f"per_day = {PER_DAY}", more=[OTHER]) as servers:
        first, second = servers
        await _issue(first, STATION, "first", 3)
        await _issue(first, OTHER, "marked", PER_DAY)
        await _has_read_on(second, OTHER, "marked-0")
        assert await _issue_all(second, STATION, "second") == PER_DAY - 3
        await _has_read_on(first, STATION, "first-0")
        await second.close_callers()
        await asyncio.to_thread(second.terminate)
        await asyncio.to_thread(second.start)
        for server in servers:
            assert await _issue_all(server, STATION, "late") == 0
        await drain(servers)
    issued = [record.station for record in audit_log.verified(servers[0].installation).certificates]
    assert (issued.count(STATION), issued.count(OTHER)) == (PER_DAY, PER_DAY)


async def test_station_that_asks_both_at_once_gets_no_more_than_documented(tmp_path: Path) -> None:
    """With n servers at most n buckets at once; then each of them has to make good what the other gave."""
    per_minute = 6
    async with fleet(tmp_path, 2, new_postgresql_store(), f"per_minute = {per_minute}") as servers:
        started = time.monotonic()
        given = await asyncio.gather(*(_issue_all(server, STATION, f"server-{n}") for n, server in enumerate(servers)))
        # It owes what the other gave, as soon as it tells to wait for more than one token.
        await asyncio.gather(*(_owes(server, seconds=1.2 * 60 / per_minute) for server in servers))
        minutes = (time.monotonic() - started) / 60
        assert per_minute <= sum(given) <= per_minute * (2 + minutes)
        await drain(servers)


async def _issue(server: ServerProcess, station: str, prefix: str, count: int) -> None:
    caller = server.caller(station)
    for number in range(count):
        await caller.sign(ask(f"{prefix}-{number}"))


async def _issue_all(server: ServerProcess, station: str, prefix: str) -> int:
    """How many certificates it gives until the limit is reached."""
    caller = server.caller(station)
    for count in itertools.count():
        if reason := await _reason(caller, f"{prefix}-{count}"):
            assert reason == "STATION_LIMIT_REACHED"
            return count
    raise AssertionError


async def _reason(caller: Caller, device: str) -> str | None:
    """What a request is refused for; None: it was granted."""
    try:
        await caller.sign(ask(device))
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error).reason
    return None


async def _has_read_on(server: ServerProcess, station: str, taken: str) -> None:
    """Wait until a server knows that a station has had all: until then it would issue, were the device not taken."""
    caller = server.caller(station)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (reason := (await _refusal(caller, taken)).reason) != "STATION_LIMIT_REACHED":
            assert reason == "REGISTRATION_ID_TAKEN"
            await asyncio.sleep(0.05)


async def _owes(server: ServerProcess, seconds: float) -> None:
    """Wait until a server tells the station to wait for longer than this."""
    caller = server.caller()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while ((refusal := await _refusal(caller, "server-0-0")).retry_after or 0) <= seconds:
            assert refusal.reason in {"STATION_LIMIT_REACHED", "REGISTRATION_ID_TAKEN"}
            await asyncio.sleep(0.05)


async def _refusal(caller: Caller, taken: str) -> Refusal:
    """What a request is refused with that can never be granted: another key for a device that has a certificate."""
    return await refused(caller.sign(ask(taken, key=csrs.key("P-256", number=-1))))


async def _away_from_midnight() -> None:
    """The day must not change while a test counts it."""
    if (left := DAY - time.time() % DAY) < DAY_ENDS_SECONDS:
        await asyncio.sleep(left)
