"""What the log says of profiles, on both databases: compared and recorded in one transaction."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.domain.events import ISSUER_SWITCHED, PROFILE_CHANGED, NewEvent
from linecert_service.domain.records import EventRecord
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.profile_log import StoreProfileLog
from linecert_service.store.readers import Readers
from support.claims import NOW
from support.clocks import SettableClock

SERVERS = 8
ADDED = NewEvent(PROFILE_CHANGED, detail='{"change":"added","profile":"device"}')
SWITCHED = NewEvent(ISSUER_SWITCHED, detail='{"profile":"device"}')


@pytest.fixture
def log(backend: Backend) -> Iterator[Callable[[], StoreProfileLog]]:
    """Makes what a server has of the log, with threads of its own."""
    made: list[Readers] = []

    def make() -> StoreProfileLog:
        made.append(Readers(backend.engine, 1))
        return StoreProfileLog(backend, made[-1], ClockGuard(SettableClock()))

    yield make
    for readers in made:
        readers.close()


def once(event: NewEvent) -> Callable[[Sequence[EventRecord]], Sequence[NewEvent]]:
    """Tells of an event where the log does not."""
    return lambda told: [] if any(one.detail == event.detail and one.kind == event.kind for one in told) else [event]


async def test_what_the_log_says_is_given_in_its_order(
    backend: Backend, issuers: Issuers, log: Callable[[], StoreProfileLog]
) -> None:
    """Events of profiles and of no other kind, oldest first; what is made of them is appended."""
    writer = backend.writer()
    append(writer, issuers, [NewEvent("rejected"), ADDED, NewEvent("station_changed")], NOW - 1)
    writer.close()
    assert await log().tell(once(SWITCHED)) == [SWITCHED]
    seen: list[str] = []

    def look(told: Sequence[EventRecord]) -> Sequence[NewEvent]:
        seen.extend(event.kind for event in told)
        return ()

    assert not await log().tell(look)
    assert seen == [PROFILE_CHANGED, ISSUER_SWITCHED]


async def test_of_many_servers_one_records_a_switch(log: Callable[[], StoreProfileLog]) -> None:
    """All see at the same moment that the log does not know of it; under the lock all but one see that it does."""
    together = threading.Barrier(SERVERS)

    def server() -> Callable[[Sequence[EventRecord]], Sequence[NewEvent]]:
        looks = 0

        def changes(told: Sequence[EventRecord]) -> Sequence[NewEvent]:
            nonlocal looks
            looks += 1
            if looks == 1:
                together.wait(30)
            return once(SWITCHED)(told)

        return changes

    async def tell(one: StoreProfileLog) -> Sequence[NewEvent]:
        changes = server()
        while True:
            try:
                return await one.tell(changes)
            except StoreUnavailable:  # SQLite's lock was somebody else's for too long
                continue

    told = await asyncio.gather(*(tell(log()) for _ in range(SERVERS)))
    assert sorted(map(len, told)) == [0] * (SERVERS - 1) + [1]
