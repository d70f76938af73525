"""Never twice: whatever is asked for again, in whichever way and through whichever server, one certificate stands."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support import audit_log
from support.databases import DATABASES, SQLITE, new_store
from support.duplicates import Wish, wishes
from support.fleet import drain, fleet
from support.server import Caller, ServerProcess

SERVERS = 8
CONNECTIONS = 8
"""On SQLite, where one server has the file."""
DEVICES = 600
AT_ONCE = 48


@pytest.mark.parametrize("database", DATABASES)
async def test_a_fifth_of_the_requests_comes_twice(tmp_path: Path, database: str) -> None:
    """Eight servers on PostgreSQL, or one on SQLite: one active certificate a device, and answers that stay the same.

    The log has no gap, and its root is the one that the last checkpoint states.
    """
    source = random.Random(4)
    asked = wishes(DEVICES)
    source.shuffle(asked)
    async with fleet(tmp_path, 1 if database == SQLITE else SERVERS, new_store(database)) as servers:
        callers = _callers(servers)
        await _all(asked, lambda wish: wish.ask(callers, source))
        for wish in asked:
            wish.check()
        await _all(asked, lambda wish: wish.check_again(callers, source))
        await drain(servers)
    log = audit_log.verified(servers[0].installation)
    assert {record.certificate for record in log.certificates} == {
        answer.issued.certificate for wish in asked for answer in wish.answers
    }
    assert {record.generation for record in log.certificates} == {1}
    for distinct in ("registration_key", "spki_sha256", "serial", "request_id"):
        assert len({getattr(record, distinct) for record in log.certificates}) == len(log.certificates) == DEVICES
    assert log.newest
    assert log.newest.size == log.size


def _callers(servers: list[ServerProcess]) -> list[Caller]:
    return [servers[number % len(servers)].caller() for number in range(CONNECTIONS)]


async def _all(asked: list[Wish], work: Callable[[Wish], Awaitable[None]]) -> None:
    """Work on all wishes, some at a time."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(wish: Wish) -> None:
        async with free:
            await work(wish)

    await asyncio.gather(*map(one, asked))
