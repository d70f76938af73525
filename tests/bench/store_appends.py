"""The append itself, as the committer's thread calls it: certificates for devices that never asked before."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from bench.store_figures import Appends
from bench.store_population import Population
from linecert_service.domain.errors import Refused
from linecert_service.domain.records import CertificateRecord
from linecert_service.domain.requests import Claim, SignedCertificate
from linecert_service.store.append import append
from linecert_service.store.backend import MAINTAIN_SECONDS, Backend, Writer
from linecert_service.store.growth import Head
from linecert_service.store.issuers import Issuers

BURSTS: Final = (1, 16, 64, 200)
ROUNDS: Final = 2
MAX_RATE: Final = 10_000
"""Certificates that are made for a second; a faster store has a shorter measurement."""

_WARM_UP: Final = 0.2
"""Of the bursts, which do not count."""


def measure(backend: Backend, issuers: Issuers, population: Population, seconds: float) -> list[Appends]:
    """Append bursts of each size for `seconds`, and again: the faster round counts.

    What disturbs a measurement on a shared machine only ever makes it slower.

    Raises:
        RuntimeError: a certificate was refused.
    """
    rounds = []
    start = population.entries
    with contextlib.closing(backend.writer()) as writer, _maintained(backend):
        for burst in BURSTS * ROUNDS:
            stop = start + int(seconds * min(MAX_RATE, 2_000 * burst))
            rounds.append(_measure(writer, issuers, list(_bursts(population, start, stop, burst)), seconds))
            start = stop
    return [max((done for done in rounds if done.burst == burst), key=lambda done: done.rate) for burst in BURSTS]


def _measure(
    writer: Writer, issuers: Issuers, bursts: Sequence[Sequence[SignedCertificate]], seconds: float
) -> Appends:
    head: Head | None = None
    latencies: list[float] = []
    warm = int(len(bursts) * _WARM_UP)
    ends = float("inf")
    for number, burst in enumerate(bursts):
        started = time.perf_counter()
        if number == warm:
            ends = started + seconds
        elif started > ends:
            break
        appended = append(writer, issuers, burst, time.time(), seen=head)
        if number >= warm:
            latencies.append(time.perf_counter() - started)
        head = appended.head
        if refused := [outcome for outcome in appended.outcomes if isinstance(outcome, Refused)]:
            raise RuntimeError(f"the store refused a certificate of the benchmark: {refused[0]}")
    return Appends(len(bursts[0]), sum(latencies), sorted(latencies))


def _bursts(population: Population, start: int, stop: int, size: int) -> Iterator[list[SignedCertificate]]:
    """What a pipeline would hand over: certificates of all stations and lines."""
    signed = [
        SignedCertificate(_claim(record), record.serial, record.certificate, record.certificate_sha256)
        for record in population.records(start, stop)
        if isinstance(record, CertificateRecord)
    ]
    for low in range(0, len(signed) - size + 1, size):
        yield signed[low : low + size]


def _claim(record: CertificateRecord) -> Claim:
    return Claim(
        station=record.station,
        line=record.line,
        request_id=record.request_id,
        request_sha256=record.request_sha256,
        registration_id=record.registration_id,
        registration_key=record.registration_key,
        spki_sha256=record.spki_sha256,
        csr_sha256=record.csr_sha256,
        profile=record.profile,
        work_order=record.work_order,
        lot=record.lot,
        attributes=record.attributes,
        replacement_reason=record.replacement_reason,
        issuer_sha256=record.issuer_sha256,
        not_before=record.not_before,
        not_after=record.not_after,
    )


@contextlib.contextmanager
def _maintained(backend: Backend) -> Iterator[None]:
    """Do beside the appends what the service does."""
    ended = threading.Event()

    def maintain() -> None:
        while not ended.wait(MAINTAIN_SECONDS):
            backend.maintain()

    thread = threading.Thread(target=maintain)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
