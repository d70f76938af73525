"""The course of a benchmark: the same load on a bare server and on the service over each database, in turn."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.status import Status

from bench import floor, load
from bench.figures import ECHO, SERVICE, Figure, Floor, Measurement, Point, fastest
from bench.goals import figures
from bench.load import Load
from bench.servers import Target, copy, echo_server, install, linecert_server
from bench.store_databases import size_on_disk
from bench.supply import Supply
from linecert_service.installation.authorities import CaKeyType
from linecert_service.store.backends import backend_for
from support import postgres
from support.databases import SQLITE, new_postgresql_store
from support.installations import Installation

WARM_UP_SECONDS: Final = 0.5

MAX_RATE: Final = 6_000
"""Requests that are taken for a second of load; a faster server has a shorter window."""


MAX_CALL_SECONDS: Final = 10.0
"""Points where a call alone takes longer are left out: they would tell of waiting only, and cost minutes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        issuers: kinds of the issuer's key.
        databases: kinds of the audit store's database.
        callers: numbers of callers, a point each.
        batch: size of batches.
        seconds: length of a measurement.
        rounds: measurements of each point.
    """

    issuers: tuple[CaKeyType, ...]
    databases: tuple[str, ...]
    callers: tuple[int, ...]
    batch: int
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Results:
    """What came of it.

    Attributes:
        options: what was asked for.
        load: of the machine before, as the operating system averages it over a minute.
        took: seconds, all in all.
        floors: the cost without gRPC and store, by kind of issuer.
        measurements: all of them, in order.
        octets: what a certificate takes on disk, by kind of issuer and of database.
    """

    options: Options
    load: float
    took: float
    floors: Mapping[str, Floor]
    measurements: Sequence[Measurement]
    octets: Mapping[tuple[str, str], float]

    def points(self) -> dict[Point, Measurement]:
        """The fastest measurement of each point."""
        return fastest(self.measurements)

    def figures(self) -> list[Figure]:
        """What is to be reached, as measured."""
        return figures(self.floors, self.points(), self.options.batch)

    def failures(self) -> Counter[str]:
        """Certificates that were not issued, by status."""
        return sum((Counter(measurement.failures) for measurement in self.measurements), Counter())


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all measurements of a run share."""

    options: Options
    generator: ProcessPoolExecutor
    supply: Supply
    status: Status

    def measure(self, target: Target, point: Point, seconds: float | None = None) -> Measurement:
        """Put load on a server.

        Raises:
            RuntimeError: it answered nothing.
        """
        seconds = seconds or self.options.seconds
        self.status.update("making requests")
        # A batch for each caller at least, however long that takes.
        count = int(MAX_RATE * (WARM_UP_SECONDS + seconds)) + point.callers * point.batch
        requests = self.supply.take(target.pid, count)
        self.status.update(f"measuring {label(point)}")
        asked = Load(target, point, WARM_UP_SECONDS, seconds, requests)
        measurement = self.generator.submit(load.measure, asked).result()
        self.supply.sent(target.pid, measurement.sent)
        if not measurement.certificates:
            raise RuntimeError(f"{label(point)}: no certificate in the answers: {dict(measurement.failures)}")
        return measurement


def label(point: Point) -> str:
    """A point in words."""
    calls = "calls" if point.batch == 1 else f"batches of {point.batch}"
    where = f" on {point.database}" if point.database else ""
    return f"{point.server}{where}, issuer {point.issuer}, {calls} of {point.callers} callers"


def run(options: Options, scratch: Path, console: Console) -> Results:
    """Measure.

    Args:
        options: what is asked for.
        scratch: a folder on the disk that SQLite is measured on; what is made there is removed again.
        console: told how far it is.

    Raises:
        RuntimeError: a server does not start, or answers nothing.
    """
    context = get_context("spawn")
    busy = os.getloadavg()[0]
    began = time.monotonic()
    floors: dict[str, Floor] = {}
    measurements: list[Measurement] = []
    octets: dict[tuple[str, str], float] = {}
    with ExitStack() as stack:
        makers = stack.enter_context(ProcessPoolExecutor(os.cpu_count(), context))
        generator = stack.enter_context(ProcessPoolExecutor(1, context))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, prefix="run.")))
        status = stack.enter_context(console.status("starting"))
        bench = _Bench(options, generator, Supply(makers), status)
        for issuer in options.issuers:
            status.update(f"making an installation with issuer {issuer}")
            installation = install(folder / issuer, issuer)
            status.update(f"measuring the floor, issuer {issuer}")
            floors[issuer] = floor.measure(installation, bench.supply.take(0, floor.REQUESTS))
            measured, sizes = _of_issuer(bench, issuer, installation, floors[issuer].raw)
            measurements += measured
            octets |= {(issuer, database): size for database, size in sizes.items()}
    return Results(options, busy, time.monotonic() - began, floors, measurements, octets)


def _of_issuer(
    bench: _Bench, issuer: CaKeyType, installation: Installation, raw: float
) -> tuple[list[Measurement], dict[str, float]]:
    """All measurements with one issuer, and what a certificate takes on disk."""
    options = bench.options
    with ExitStack() as stack:
        stores = {name: _Store.new(name, installation) for name in options.databases}
        services = {name: stack.enter_context(store.served()) for name, store in stores.items()}
        first = next(iter(services))
        # The echo answers with octets of the service's own, so that both move the same sizes.
        sample = bench.measure(services[first], Point(SERVICE, issuer, first, 1, 1), 0.1)
        echo = stack.enter_context(echo_server(installation, sample.response))
        measured = [
            # One after the other at each load, so that a machine that changes its pace changes all.
            bench.measure(echo if point.server == ECHO else services[point.database], point)
            for _ in range(options.rounds)
            for point in _points(options, issuer)
            if not _too_long(point, raw)
        ]
        issued = Counter({first: sample.sent})
        for measurement in measured:
            issued[measurement.point.database] += measurement.sent
        bench.status.update("measuring the size of the databases")
        return measured, {name: store.grown() / issued[name] for name, store in stores.items()}


def _points(options: Options, issuer: CaKeyType) -> Iterator[Point]:
    for callers in options.callers:
        yield Point(ECHO, issuer, "", 1, callers)
        for database in options.databases:
            yield Point(SERVICE, issuer, database, 1, callers)
            yield Point(SERVICE, issuer, database, options.batch, callers)


def _too_long(point: Point, raw: float) -> bool:
    """Whether the cryptography of all callers' first calls is more than may be waited for; `raw` is a certificate's."""
    return point.callers * point.batch * raw / (os.cpu_count() or 1) > MAX_CALL_SECONDS


@dataclass(frozen=True, slots=True)
class _Store:
    """An installation with a database of its own.

    Attributes:
        installation: what is served.
        postmaster: PostgreSQL's parent process; None with SQLite.
        empty: octets of the database before anything was issued.
    """

    installation: Installation
    postmaster: int | None
    empty: int

    @classmethod
    def new(cls, database: str, installation: Installation) -> "_Store":
        """A copy of an installation, with an empty database of this kind."""
        folder = installation.folder.with_name(f"{installation.folder.name}-{database}")
        if database == SQLITE:
            return cls(copy(installation, folder, "sqlite:///linecert.db"), None, 0)
        served = copy(installation, folder, new_postgresql_store())
        return cls(served, postgres.cluster().postmaster(), _octets(served))

    @contextmanager
    def served(self) -> Iterator[Target]:
        """The service on it."""
        with linecert_server(self.installation, self.postmaster) as target:
            yield target

    def grown(self) -> int:
        """Octets by which the database has grown."""
        return _octets(self.installation) - self.empty


def _octets(installation: Installation) -> int:
    backend = backend_for(installation.settings().store.url)
    try:
        return size_on_disk(backend)
    finally:
        backend.close()
