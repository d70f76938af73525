"""The capacity model: what a certificate costs, and how many servers and databases a rate takes.

A server's interpreter works on one thing at a time, so that its CPU for a certificate bounds its rate; a database
appends under one lock, so that the time the lock is held bounds the rate of all its servers together. Both have a part
for the burst and one for the certificate. These are the bounds of operational analysis (Denning and Buzen, The
Operational Analysis of Queueing Network Models, 1978): no rate exceeds 1 / (largest demand), nor callers / (round trip
without waiting). `bench.simulation` plays the same parts one by one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.figures import SERVICE, Floor, Measurement, Point
from bench.goals import BATCHERS
from linecert_service.issuance.pipeline import MAX_BURST
from linecert_service.store.committer import MAX_ENTRIES

UTILISATION: Final = 0.7
"""Of what is planned with: the rest is for bursts of arrivals, failures and updates."""

LIGHT: Final = 1
"""Callers of the measurement that shows what bursts of one cost."""

HEAVY: Final = 64
"""Callers of the measurement that shows what bursts of many cost."""

FASTEST: Final = "p256"
"""The issuer that the store's costs are measured with."""

SECONDS_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Costs:
    """What things take, in seconds.

    Attributes:
        burst: of a server's interpreter, for each burst.
        certificate: of the same, for each certificate in it.
        signature: in one of the server's signing threads; 0 where the interpreter signs.
        commit: holding the lock, for each commit.
        row: holding the lock, for each certificate in it.
        database: CPU of the database's own processes for a certificate.
        caller: CPU of a caller for a call.
        wire: between answer and next request beside all that, without a CPU.
        shared: of `burst`, what the interpreter does while the lock is held: the committer is a thread of its process.
    """

    burst: float
    certificate: float
    signature: float
    commit: float
    row: float
    database: float
    caller: float
    wire: float
    shared: float = 0.0

    def server_rate(self) -> float:
        """Certificates a second of one server that is never idle."""
        return 1 / (self.burst / MAX_BURST + self.certificate)

    def store_rate(self, rows: int = MAX_ENTRIES) -> float:
        """Certificates a second of one database whose lock is never free, with so many in a commit."""
        return 1 / (self.commit / rows + self.row)

    def machine_rate(self, cores: int, batch: int) -> float:
        """Certificates a second at which so many cores, shared by all, are never idle."""
        server = self.burst / MAX_BURST + self.certificate + self.signature
        return cores / (server + self.database + self.caller / batch)

    def round_trip(self) -> float:
        """Of a call that waits for nobody."""
        server = self.burst - self.shared + self.certificate + self.signature
        return server + self.commit + self.row + self.caller + self.wire

    def bound(self, servers: int, callers: int, cores: int) -> float:
        """The rate that no number of unary callers exceeds: the least of all bounds."""
        return min(
            servers * self.server_rate(),
            self.store_rate(),
            self.machine_rate(cores, 1),
            callers / self.round_trip(),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rate takes.

    Attributes:
        rate: certificates a second.
        servers: processes, each with a core of its own.
        databases: each with a log of its own.
        server_cores: that the servers keep busy; more than servers where threads sign.
        database_cores: that the databases' processes keep busy, all together.
        octets: a day at this rate.
    """

    rate: int
    servers: int
    databases: int
    server_cores: float
    database_cores: float
    octets: float


def plan(costs: Costs, octets: float, rate: int) -> Plan:
    """What `rate` certificates a second take, where a certificate takes `octets` on disk.

    A server commits bursts of its own: the lock is held for MAX_BURST rows at a time.
    """
    busy = costs.burst / MAX_BURST + costs.certificate + costs.signature
    return Plan(
        rate=rate,
        servers=math.ceil(rate / (UTILISATION * costs.server_rate())),
        databases=math.ceil(rate / (UTILISATION * costs.store_rate(MAX_BURST))),
        server_cores=rate * busy,
        database_cores=rate * costs.database,
        octets=rate * octets * SECONDS_A_DAY,
    )


def calibrate(
    points: Mapping[Point, Measurement], floors: Mapping[str, Floor], issuer: str, database: str
) -> Costs | None:
    """The costs that two unary measurements give, with one caller and with many; None: they were not made.

    Two sizes of burst give two equations for what a burst and a certificate cost. No rate goes in but that of one
    caller, so that the rates of all other points check the model.
    """
    light = points.get(Point(SERVICE, issuer, database, 1, LIGHT))
    heavy = points.get(Point(SERVICE, issuer, database, 1, HEAVY))
    if light is None or heavy is None:
        return None
    # RSA is signed in threads; its verification with e = 65537 costs next to nothing.
    signature = floors[issuer].raw if issuer.startswith("rsa") else 0.0
    if signature:
        # Signatures from threads are committed as they come: rows do not tell how large the bursts were.
        burst, certificate = 0.0, max(0.0, heavy.cpu - signature)
    else:
        burst, certificate = _line(light.rows, light.cpu, heavy.rows, heavy.cpu)
    commit, row = _lock_costs(points, database) or _line(light.rows, _lock(light), heavy.rows, _lock(heavy))
    caller = heavy.generator_cpu / len(heavy.latencies)
    known = burst + certificate + signature + commit + row + caller
    # With one caller nothing happens at the same time: what is more than its round trip was counted twice.
    shared = min(max(0.0, known - 1 / light.rate), burst, commit)
    return Costs(
        burst=burst,
        certificate=certificate,
        signature=signature,
        commit=commit,
        row=row,
        database=heavy.database_cpu / heavy.certificates,
        caller=caller,
        wire=max(0.0, 1 / light.rate - known + shared),
        shared=shared,
    )


def batched(costs: Costs, points: Mapping[Point, Measurement], issuer: str, database: str, batch: int) -> Costs | None:
    """The costs where certificates come in batches: a call costs less for each; None: that was not measured.

    The bursts of batches are full, so that one measurement of CPU and lock is enough.
    """
    measured = points.get(Point(SERVICE, issuer, database, batch, BATCHERS))
    if measured is None:
        return None
    return replace(
        costs,
        burst=0.0,
        shared=0.0,
        certificate=max(0.0, measured.cpu - costs.signature),
        # Signatures from threads are committed as they come, however many a batch has.
        commit=costs.commit if costs.signature else 0.0,
        row=costs.row if costs.signature else _lock(measured),
        database=measured.database_cpu / measured.certificates,
        caller=measured.generator_cpu / len(measured.latencies),
    )


def _lock_costs(points: Mapping[Point, Measurement], database: str) -> tuple[float, float] | None:
    """What a commit and a row cost, from the fastest issuer, whose commits have most rows; None: it was not measured.

    A row does not cost more for who signed it, and commits of two or three rows do not show what many cost.
    """
    light = points.get(Point(SERVICE, FASTEST, database, 1, LIGHT))
    heavy = points.get(Point(SERVICE, FASTEST, database, 1, HEAVY))
    return _line(light.rows, _lock(light), heavy.rows, _lock(heavy)) if light and heavy else None


def _lock(measured: Measurement) -> float:
    """Seconds that a commit takes for each of its certificates."""
    return measured.commits.seconds / measured.certificates if measured.commits else 0.0


def _line(few: float, at_few: float, many: float, at_many: float) -> tuple[float, float]:
    """The part for each burst and the part for each item, from the cost of an item in bursts of two sizes.

    cost = burst / size + item. Where noise would make a part negative it is 0.
    """
    if many <= few:
        return 0.0, at_many
    burst = max(0.0, (at_few - at_many) / (1 / few - 1 / many))
    return burst, max(0.0, at_many - burst / many)
