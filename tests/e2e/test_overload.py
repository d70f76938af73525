"""More than the server can do: it refuses what is too much, loses nothing that it has answered, and goes on."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import psutil

from bench import open_loop
from bench.http2 import Answer
from bench.open_loop import Came, Pace
from bench.stations import DROPPED, OVERLOADED, kind_of, serial_of
from support import audit_log
from support.databases import write_lock
from support.installations import Installation
from support.server import STATION, ServerProcess, ask, events_of

AT_ONCE = 100_000
"""Calls a second: all that there are, at the next moment."""
PATIENCE_SECONDS = 60
GROWTH_OCTETS = 48 << 20
"""More memory than a flood may leave behind; each leaked 0.1 MB would be several times that."""


def flood(server: ServerProcess, prefix: str, calls: int, deadline: int = PATIENCE_SECONDS) -> Pace:
    """So many requests of one station, all at once."""
    return Pace(
        ports=[int(server.target.rpartition(":")[2])],
        clients=[server.installation.layout.client(STATION)],
        seconds=PATIENCE_SECONDS,
        requests=[ask(f"{prefix}-{number}").SerializeToString() for number in range(calls)],
        rate=AT_ONCE,
        connections=12,
        deadline=deadline,
    )


def refusals(came: Came) -> Counter[str]:
    """How often calls ended otherwise than OK, by kind; each of them was answered."""
    assert not came.unanswered
    assert not came.held_back
    assert not came.lost
    return Counter(kind_of(answer) for answer in came.answers if not answer.ok)


def check_log(installation: Installation, answers: list[Answer]) -> None:
    """Each answer that is OK is in the log, and nothing else."""
    recorded = [record.serial.hex() for record in audit_log.verified(installation).certificates]
    assert sorted(recorded) == sorted(serial_of(answer) for answer in answers if answer.ok)


async def serves(server: ServerProcess, device: str) -> None:
    """A call of a station that comes afterwards is answered."""
    assert (await server.caller().sign(ask(device), timeout=PATIENCE_SECONDS)).issued.certificate
    await server.close_callers()


async def count(server: ServerProcess, metric: str) -> float:
    """The value of a metric, by its name and labels as they are scraped."""
    lines = (await asyncio.to_thread(server.scrape)).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))


async def some(server: ServerProcess, metric: str) -> bool:
    """Whether a metric is above 0."""
    return await count(server, metric) > 0


async def none(server: ServerProcess, metric: str) -> bool:
    """Whether it is 0."""
    return not await some(server, metric)


async def closed(process: psutil.Process, files: int) -> bool:
    """Whether a process has no more descriptors than so many."""
    return process.num_fds() <= files


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what it looks at is another process
            await asyncio.sleep(0.1)


async def test_a_flood_on_a_store_that_waits(server: ServerProcess) -> None:
    """What has no slot is OVERLOADED with a time to come back; what got one is answered when the store goes on."""
    with write_lock(server.installation):
        flooding = asyncio.create_task(open_loop.send(flood(server, "device", 900)))
        await until(lambda: some(server, 'linecert_rejected_requests_total{line="line-01",reason="OVERLOADED"'))
    came = await flooding
    refused = refusals(came)
    assert refused[OVERLOADED]
    assert refused.keys() <= {OVERLOADED, DROPPED}
    assert any(answer.ok for answer in came.answers)
    check_log(server.installation, came.answers)
    await serves(server, "afterwards")
    lines = [event for event in events_of(server.lines) if event.get("reason") == OVERLOADED]
    # One for each second of the flood, whatever the number of refusals.
    assert 0 < len(lines) < refused[OVERLOADED]


async def test_a_flood_of_calls(server: ServerProcess) -> None:
    """Far more at once than can wait: the rest is refused, memory and descriptors come back, and the server goes on."""
    process = psutil.Process(server.pid)
    first = await open_loop.send(flood(server, "warm-up", 600))
    resident, files = process.memory_info().rss, process.num_fds()
    came = await open_loop.send(flood(server, "device", 2_500))
    assert refusals(came).keys() <= {OVERLOADED, DROPPED}
    assert sum(refusals(came).values()) > 0
    assert process.memory_info().rss - resident < GROWTH_OCTETS
    check_log(server.installation, [*first.answers, *came.answers])
    await serves(server, "afterwards")
    await until(lambda: closed(process, files))


async def test_deadlines_that_pass_in_a_flood(server: ServerProcess) -> None:
    """Calls end at their deadline; what was signed for them by then is in the log all the same, and nothing else is."""
    pace = flood(server, "device", 900, deadline=1)
    with write_lock(server.installation):
        came = await open_loop.send(pace)
        signed = await count(server, 'linecert_stage_seconds_count{stage="sign"}')
    assert not any(answer.ok for answer in came.answers)
    assert 0 < signed < len(pace.requests)
    await until(lambda: none(server, "linecert_pending_requests"))
    log = audit_log.verified(server.installation)
    assert len(log.certificates) == signed == await count(server, 'linecert_stage_seconds_count{stage="sign"}')
    again = ask(log.certificates[0].registration_id, request_id=log.certificates[0].request_id)
    assert (await server.caller().sign(again)).replayed
    await server.close_callers()
