"""What is measured of the store, and the figures that it is to reach. No input or output here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.figures import Figure, percentile

LOOK_UP_BOUND: Final = 1.0
PAGE_BOUND: Final = 10.0
"""Milliseconds, of the median."""

BURST: Final = 64
"""At which the rate of appends is to be reached."""

APPEND_BOUND: Final = 5_000.0
VERIFY_BOUND: Final = 60_000.0
"""Entries a second."""


@dataclass(frozen=True, slots=True)
class Appends:
    """Bursts of one size, one after the other.

    Attributes:
        burst: certificates in each.
        seconds: of all of them.
        latencies: of each, ascending, in seconds.
    """

    burst: int
    seconds: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Certificates a second."""
        return self.burst * len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency that so many percent of the bursts did not exceed, in milliseconds."""
        return percentile(self.latencies, percent) * 1000


@dataclass(frozen=True, slots=True)
class Query:
    """One query, asked again and again with other values.

    Attributes:
        name: what is asked.
        bound: milliseconds that the median is to stay under; None: no figure is set.
        latencies: ascending, in seconds.
        found: rows that an answer had on average.
    """

    name: str
    bound: float | None
    latencies: Sequence[float] = field(repr=False)
    found: float

    def percentile(self, percent: float) -> float:
        """The latency that so many percent of the answers did not exceed, in milliseconds."""
        return percentile(self.latencies, percent) * 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """Entries read or verified one after the other.

    Attributes:
        name: by what.
        entries: how many.
        seconds: how long it took.
        problems: what was found wrong: nothing, or the figures are worth nothing.
    """

    name: str
    entries: int
    seconds: float
    problems: Sequence[str] = ()

    @property
    def rate(self) -> float:
        """Entries a second."""
        return self.entries / self.seconds


CLIENT: Final = "linecert verify --log"
"""The verification that a figure is set for."""


@dataclass(frozen=True, slots=True)
class Results:
    """What came of one database.

    Attributes:
        database: which one.
        settings: of it.
        load: processes that ran on the machine before this one, on average over a minute.
        entries: that it was filled with.
        fill_seconds: how long that took.
        octets: on disk, of all the entries.
        size: of the log at the end.
        resident: the most memory that this process took, in octets.
    """

    database: str
    settings: dict[str, str]
    load: float
    entries: int
    fill_seconds: float
    octets: int
    size: int
    resident: int
    appends: Sequence[Appends]
    queries: Sequence[Query]
    verifications: Sequence[Verification]

    def figures(self) -> list[Figure]:
        """What is to be reached, as measured."""
        return list(self._figures())

    def problems(self) -> list[str]:
        """What is wrong with the log that was measured."""
        return [f"{done.name}: {problem}" for done in self.verifications for problem in done.problems]

    def _figures(self) -> Iterator[Figure]:
        for query in self.queries:
            if query.bound is not None:
                yield Figure(query.name, query.percentile(50), query.bound, unit="ms")
        for append in self.appends:
            if append.burst == BURST:
                yield Figure(f"append, bursts of {BURST}", append.rate, APPEND_BOUND, at_least=True, unit="rows/s")
        for done in self.verifications:
            if done.name == CLIENT:
                yield Figure(done.name, done.rate, VERIFY_BOUND, at_least=True, unit="leaves/s")
