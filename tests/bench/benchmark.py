"""The course of a benchmark: an installation, the floor, then the same load on both servers in turn."""

import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import floor, load
from bench.devices import fresh_requests
from bench.figures import Figure, Floor, Measurement, fastest, figures
from bench.load import Load
from bench.servers import Target, echo_server, install, linecert_server
from linecert_service.installation.authorities import CaKeyType

WARM_UP_SECONDS: Final = 1.0

MAX_RATE: Final = 4_000
"""Requests that are made for a second of load; a faster server has a shorter window."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        issuer: kind of the issuer's key.
        callers: numbers of callers, a point each.
        seconds: length of a measurement.
        rounds: measurements of each point.
    """

    issuer: CaKeyType
    callers: tuple[int, ...]
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Results:
    """What came of it.

    Attributes:
        options: what was asked for.
        floor: the cost without gRPC and store.
        measurements: all of them, in order.
    """

    options: Options
    floor: Floor
    measurements: list[Measurement]

    def points(self) -> list[Measurement]:
        """The fastest measurement of each server and number of callers."""
        return fastest(self.measurements)

    def figures(self) -> list[Figure]:
        """What is to be reached, as measured."""
        return figures(self.options.issuer, self.floor, self.points())

    def failures(self) -> Counter[str]:
        """Calls that were not answered OK, by status."""
        return sum((Counter(measurement.failures) for measurement in self.measurements), Counter())


def run(options: Options, scratch: Path, console: Console) -> Results:
    """Measure.

    Args:
        options: what is asked for.
        scratch: a folder on the disk that the store is measured on; what is made there is removed again.
        console: told how far it is.

    Raises:
        RuntimeError: a server does not start, or answers nothing.
    """
    context = get_context("spawn")
    with ExitStack() as stack:
        makers = stack.enter_context(ProcessPoolExecutor(os.cpu_count(), context))
        generator = stack.enter_context(ProcessPoolExecutor(1, context))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, prefix="run.")))
        status = stack.enter_context(console.status("making an installation"))

        def measured(target: Target, callers: int, seconds: float) -> Measurement:
            status.update(f"making requests for {target.name}")
            requests = fresh_requests(int(MAX_RATE * (WARM_UP_SECONDS + seconds)), makers)
            status.update(f"measuring {target.name} with {callers} callers")
            asked = Load(target, callers, WARM_UP_SECONDS, seconds, requests)
            measurement = generator.submit(load.measure, asked).result()
            if not measurement.latencies:
                raise RuntimeError(f"{target.name} answered no call OK: {dict(measurement.failures)}")
            return measurement

        installation = install(folder / "server", options.issuer)
        status.update("measuring the floor")
        floors = floor.measure(installation, fresh_requests(floor.REQUESTS, makers))
        service = stack.enter_context(linecert_server(installation))
        # The echo answers with octets of the service's own, so that both move the same sizes.
        sample = measured(service, 1, 0.1).response
        echo = stack.enter_context(echo_server(installation, sample))
        measurements = [
            measured(target, callers, options.seconds)
            for _ in range(options.rounds)
            for callers in options.callers
            for target in (service, echo)
        ]
    return Results(options, floors, measurements)
