"""Every query that the service makes of the store, each asked many times with other values from all over the log."""

import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import select

from bench.store_figures import LOOK_UP_BOUND, PAGE_BOUND, Query
from bench.store_population import RETIRED
from linecert_service.domain.ports import Dimension, EventFilter, IssuanceFilter
from linecert_service.domain.records import CertificateRecord, State
from linecert_service.store.audit import AuditReaders
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_tree import LogTree
from linecert_service.store.readers import Readers
from linecert_service.store.rows import record_of
from linecert_service.store.schema import CERTIFICATES

PAGE: Final = 100
"""The contract's default."""

_SAMPLES: Final = 400
_WARM_UP: Final = 20
_THREADS: Final = 3
_HOUR: Final = 3_600 * 1_000_000
_DAY: Final = 24 * _HOUR

Ask = Callable[[CertificateRecord], Awaitable[int]]
"""Asks for something that a certificate of the log leads to; returns how many rows the answer has."""


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    ask: Ask
    bound: float | None = None


class StoreQueries:
    """The queries of a database.

    Args:
        backend: the database.
        issuers: that it knows.
        readers: the threads of the queries.
        size: of the log.
    """

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers, size: int) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers
        self._audit = AuditReaders.of(backend, issuers, readers)
        self._size = size
        self._now = time.time()
        self._draw = random.Random(size)

    def all(self) -> Iterator[_Asked]:
        """All of them."""
        yield from self._look_ups()
        yield from self._indexed_pages()
        yield from self._scanned_pages()
        yield from self._reports()
        yield from self._proofs()

    def samples(self, count: int) -> list[CertificateRecord]:
        """Certificates from all over the log, in no order."""
        drawn = self._draw.sample(range(self._size), min(count, self._size))
        with self._backend.engine.begin() as connection:
            rows = connection.execute(select(CERTIFICATES).where(CERTIFICATES.c.log_index.in_(drawn)))
            records = [record_of(row, self._issuers.sha256_of) for row in rows]
        self._draw.shuffle(records)
        return records

    def _look_ups(self) -> Iterator[_Asked]:
        read = self._audit.certificates
        yield _Asked("by serial number", lambda of: _one(read.by_serial(of.serial)), LOOK_UP_BOUND)
        yield _Asked("by request", lambda of: _one(read.by_request(of.station, of.request_id)), LOOK_UP_BOUND)
        yield _Asked("by registration ID", lambda of: _one(read.newest_of(of.registration_key)), LOOK_UP_BOUND)
        yield self._page("by public key", LOOK_UP_BOUND, lambda of: {"spki_sha256": of.spki_sha256}, newest=True)

    def _indexed_pages(self) -> Iterator[_Asked]:
        yield self._page("page, no filter", PAGE_BOUND, lambda _: {})
        yield self._page("page of a station", PAGE_BOUND, lambda of: {"station": of.station})
        yield self._page("page of a line", PAGE_BOUND, lambda of: {"line": of.line})
        yield self._page("page of a work order", PAGE_BOUND, lambda of: {"work_order": of.work_order}, newest=True)
        yield self._page("page of a station taken down", PAGE_BOUND, lambda _: {"station": RETIRED}, newest=True)
        yield self._page("page of a station, as it sees it", PAGE_BOUND, lambda of: {"visible_to": of.station})
        yield self._page("page of an hour", PAGE_BOUND, lambda of: _since(of, _HOUR), newest=True)
        yield self._page(
            "page of a day and a line", PAGE_BOUND, lambda of: {"line": of.line, **_since(of, _DAY)}, newest=True
        )
        yield self._page(
            "page of an ID prefix, 10 devices",
            PAGE_BOUND,
            lambda of: {"registration_key_prefix": of.registration_key[:-1]},
            newest=True,
        )
        yield _Asked("follow, the next 100", self._follow, PAGE_BOUND)

    def _scanned_pages(self) -> Iterator[_Asked]:
        """What no index leads to: the bound of a step holds them, and pages may come short."""
        order = len("ctl-00000")
        yield self._page(
            "page of an ID prefix, a work order",
            None,
            lambda of: {"registration_key_prefix": of.registration_key[:order]},
            newest=True,
        )
        yield self._page("page of a lot and its line", None, lambda of: {"lot": of.lot, "line": of.line})
        yield self._page(
            "page of a lot and its order", None, lambda of: {"lot": of.lot, "work_order": of.work_order}, newest=True
        )
        yield self._page("page of a lot", None, lambda of: {"lot": of.lot})
        yield self._page("page of a profile", None, lambda of: {"profile": of.profile})
        yield self._page("page of an attribute, one in 50", None, lambda of: {"attributes": (_board(of),)})
        for state in State:
            yield self._page(f"page of what is {state.name.lower()}", None, partial(_in_state, state))

    def _reports(self) -> Iterator[_Asked]:
        yield _Asked("events, no filter", lambda of: self._events(of, EventFilter()))
        yield _Asked("events of a station", lambda of: self._events(of, EventFilter(station=of.station)))
        yield _Asked("events of a kind", lambda of: self._events(of, EventFilter(kinds=("replayed",))))
        yield self._summary("a day by hour and station", _DAY, _HOUR, Dimension.STATION)
        yield self._summary("30 days by day and line", 30 * _DAY, _DAY, Dimension.LINE)

    def _proofs(self) -> Iterator[_Asked]:
        log = self._audit.log

        async def inclusion(of: CertificateRecord) -> int:
            proof = await log.inclusion(of.log_index, self._size, None)
            return len(proof.hashes) if proof else 0

        async def consistency(of: CertificateRecord) -> int:
            return len(await log.consistency(of.log_index + 1, self._size))

        yield _Asked("inclusion proof", inclusion)
        yield _Asked("consistency proof", consistency)
        yield _Asked("root of an earlier size", lambda of: self._readers.run(lambda: self._root_at(of.log_index + 1)))

    def _page(
        self,
        name: str,
        bound: float | None,
        wanted: Callable[[CertificateRecord], dict[str, Any]],
        *,
        newest: bool = False,
    ) -> _Asked:
        """A page with a filter: the newest one, or one from anywhere in the log."""

        async def ask(of: CertificateRecord) -> int:
            before = None if newest else of.log_index + 1
            page = await self._audit.certificates.page(IssuanceFilter(**wanted(of)), before, PAGE, self._now)
            return len(page.issued)

        return _Asked(name, ask, bound)

    def _summary(self, name: str, length: int, bucket: int, dimension: Dimension) -> _Asked:
        async def ask(of: CertificateRecord) -> int:
            wanted = IssuanceFilter(start_time=of.issued_at, end_time=of.issued_at + length)
            return len(await self._audit.summaries.summarize(wanted, bucket, dimension, 10_000))

        return _Asked(f"summary of {name}", ask)

    async def _follow(self, _: CertificateRecord) -> int:
        wanted = IssuanceFilter(after_log_index=self._size - PAGE - 1)
        return sum([len(some) async for some in self._audit.exports.issued(wanted, self._now)])

    async def _events(self, of: CertificateRecord, wanted: EventFilter) -> int:
        return len((await self._audit.events.page(wanted, of.log_index, PAGE)).events)

    def _root_at(self, size: int) -> int:
        with self._backend.engine.begin() as connection:
            return len(LogTree(connection, self._issuers.sha256_of).root_at(size)) // 32


async def measure(backend: Backend, issuers: Issuers, size: int, seconds: float) -> list[Query]:
    """Ask every query for `seconds`, or 400 times."""
    readers = Readers(backend.engine, _THREADS)
    try:
        queries = StoreQueries(backend, issuers, readers, size)
        return [await _measure(asked, queries.samples(_SAMPLES + _WARM_UP), seconds) for asked in queries.all()]
    finally:
        readers.close()


async def _measure(asked: _Asked, samples: Sequence[CertificateRecord], seconds: float) -> Query:
    latencies: list[float] = []
    found = 0
    for of in samples[:_WARM_UP]:
        started = time.perf_counter()
        await asked.ask(of)
        if time.perf_counter() - started > seconds / _WARM_UP:
            break
    ends = time.perf_counter() + seconds
    for of in samples[_WARM_UP:]:
        started = time.perf_counter()
        found += await asked.ask(of)
        latencies.append(time.perf_counter() - started)
        if time.perf_counter() > ends:
            break
    return Query(asked.name, asked.bound, sorted(latencies), found / len(latencies))


async def _one(answer: Awaitable[object | None]) -> int:
    return int(await answer is not None)


def _in_state(state: State, _: CertificateRecord) -> dict[str, State]:
    return {"state": state}


def _since(of: CertificateRecord, length: int) -> dict[str, int]:
    return {"start_time": of.issued_at, "end_time": of.issued_at + length}


def _board(of: CertificateRecord) -> tuple[str, str]:
    return "board", (of.attributes or "")[len('{"board":"') :][:4]
