"""The course of the benchmark of the store: fill, append, measure the size, ask, verify."""

import asyncio
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import select

from bench import store_appends, store_fill, store_queries, store_verification
from bench.store_certificates import Template
from bench.store_databases import Database, database, settings_of, size_on_disk
from bench.store_figures import Results
from bench.store_population import EXAMPLE_ID, Population
from linecert_service.issuance.issuer import Issuer
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.schema import LOG_HEAD
from support import issuing

_HALF_A_YEAR: Final = 182 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        rows: entries of the log.
        databases: which are measured, one after the other.
        seconds: length of a measurement.
    """

    rows: int
    databases: tuple[Database, ...]
    seconds: float


def run(options: Options, kind: Database, scratch: Path, console: Console) -> Results:
    """Measure one database.

    Args:
        options: what is asked for.
        kind: which database.
        scratch: a folder on the disk that SQLite is measured on.
        console: told how far it is.
    """
    now = int(time.time() * 1_000_000)
    load = os.getloadavg()[0]
    issuer = issuing.issuer(starts=(now - 2 * _HALF_A_YEAR) // 1_000_000)
    template = Template.issue(issuing.profile(issuer), EXAMPLE_ID)
    population = Population(options.rows, now - _HALF_A_YEAR, now, issuer.sha256, template)
    with database(kind, scratch) as backend:
        fill_seconds = _fill(backend, population, issuer, console)
        with console.status(f"{kind}: appending") as status:
            issuers = Issuers(backend.engine)
            issuers.read()
            appends = store_appends.measure(backend, issuers, population, options.seconds)
            octets = size_on_disk(backend)
            status.update(f"{kind}: asking")
            with backend.engine.begin() as connection:
                size = int(connection.scalar(select(LOG_HEAD.c.size)) or 0)
            queries = asyncio.run(store_queries.measure(backend, issuers, size, options.seconds))
            verifications = asyncio.run(
                store_verification.measure(backend, issuers, scratch, lambda what: status.update(f"{kind}: {what}"))
            )
        return Results(
            database=kind,
            settings=settings_of(backend),
            load=load,
            entries=options.rows,
            fill_seconds=fill_seconds,
            octets=octets,
            size=size,
            resident=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            appends=appends,
            queries=queries,
            verifications=verifications,
        )


def _fill(backend: Backend, population: Population, issuer: Issuer, console: Console) -> float:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{backend.engine.dialect.name}: filling", total=population.entries)
        return store_fill.fill(backend, population, issuer.chain, lambda done: progress.update(task, advance=done))
