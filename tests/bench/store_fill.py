"""Fills a database with a made-up log, by the fastest way in: rows, tree and head are what appends would have left."""

import contextlib
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final, cast

import psycopg
from cryptography import x509
from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect

from bench.store_population import Made, Population
from linecert.transparency import Frontier, Node
from linecert_service.store.append import add_issuer
from linecert_service.store.backend import Backend, Row
from linecert_service.store.schema import CERTIFICATES, EVENTS, LOG_HEAD, WORK_ORDERS

CHUNK: Final = 5_000
_CACHE_KIB: Final = 1 << 20
_AHEAD: Final = 2  # chunks a process that may wait

Insert = Callable[[Table, Sequence[Row]], None]
"""Adds rows to a table."""

Progress = Callable[[int], None]
"""Is told of entries that are done."""


def fill(backend: Backend, population: Population, chain: Sequence[x509.Certificate], progress: Progress) -> float:
    """Make the log of `population` in an empty database, and return how many seconds that took.

    Memory does not grow with the log, but for its subtrees: an octet or two for each entry.

    Args:
        backend: the database.
        population: what is to be in it; entry 0 is the event that the issuer was added.
        chain: the issuer's certificate, and those above it.
        progress: told how far it is.
    """
    backend.upgrade()
    with contextlib.closing(backend.writer()) as writer:
        add_issuer(writer, "bench", chain, lambda: population.begin / 1_000_000)
    with backend.engine.begin() as connection:
        size, frontier_octets = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.frontier)).one()
    frontier, nodes = Frontier.from_bytes(size, frontier_octets), list[Node]()
    started = time.perf_counter()
    with _bulk(backend) as insert:
        insert(WORK_ORDERS, list(population.orders()))
        for made in _chunks(population, size):
            insert(CERTIFICATES, made.certificates)
            insert(EVENTS, made.events)
            nodes += frontier.extend(made.leaves)
            progress(len(made.leaves))
    _finish(backend, population, frontier, nodes)
    return time.perf_counter() - started


def _chunks(population: Population, start: int) -> Iterator[Made]:
    """The log, made by all cores, in its order."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Made]] = deque()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for low in range(start, population.entries, CHUNK):
            waiting.append(pool.submit(population.make, low, min(low + CHUNK, population.entries)))
            if len(waiting) > workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _finish(backend: Backend, population: Population, frontier: Frontier, nodes: Sequence[Node]) -> None:
    """Write the tree and the head, by the hands of who appends."""
    with contextlib.closing(backend.writer()) as writer:
        writer.begin()
        writer.insert("log_nodes", [(node.level, node.index, node.hash) for node in nodes])
        writer.write_head(frontier.size, population.end, frontier.to_bytes(), frontier.root())
        writer.commit()


def _bulk(backend: Backend) -> contextlib.AbstractContextManager[Insert]:
    return _sqlite(backend) if backend.engine.dialect.name == "sqlite" else _postgresql(backend)


@contextlib.contextmanager
def _sqlite(backend: Backend) -> Iterator[Insert]:
    """A connection without a journal: what fails leaves a file that is good for nothing, and is made again."""
    path = backend.engine.url.database or ""
    backend.engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

        def insert(table: Table, rows: Sequence[Row]) -> None:
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608 - no input
            connection.commit()

        yield insert


@contextlib.contextmanager
def _postgresql(backend: Backend) -> Iterator[Insert]:
    """COPY; afterwards statistics and visibility are what autovacuum would have made them."""
    pooled = backend.engine.raw_connection()
    connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
    pooled.detach()
    dialect = postgresql_dialect()  # type: ignore[no-untyped-call]
    with contextlib.closing(connection):
        connection.autocommit = True
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET statement_timeout = 0")

        def insert(table: Table, rows: Sequence[Row]) -> None:
            types = [column.type.compile(dialect=dialect).partition(" COLLATE")[0].lower() for column in table.columns]
            statement = f"COPY {table.name} FROM STDIN (FORMAT BINARY)"
            with connection.cursor().copy(cast("Any", statement)) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)

        yield insert
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
