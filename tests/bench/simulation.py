"""The service as a queueing network: callers, pipelines that gather bursts, signing threads, and the store's lock.

It plays what `bench.capacity` says in formulas, with the sizes of bursts as they come about. Times vary about their
costs by a generator of random numbers with a fixed seed, so that a run gives the same result every time.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from bench.capacity import Costs
from bench.events import Process, Resource, Signal, Simulation
from linecert_service.issuance.pipeline import GATHER_SECONDS, MAX_BURST
from linecert_service.store.committer import MAX_ENTRIES

SEED: Final = 1
WARM_UP_SECONDS: Final = 0.5
SWITCH_SECONDS: Final = 0.005
"""After which a thread of Python gives way to another one (sys.setswitchinterval)."""

MANY: Final = 1 << 20
"""Cores of machines that are never short of them."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated.

    Attributes:
        costs: of everything.
        servers: on one database.
        callers: all together; each calls again when it is answered, the same server each time.
        batch: certificates a call.
        cores: that servers, the database's processes and callers share.
        seconds: that are counted, after the warm-up.
    """

    costs: Costs
    servers: int = 1
    callers: int = 64
    batch: int = 1
    cores: int = MANY
    seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        rate: certificates a second.
        rows: certificates a commit.
    """

    rate: float
    rows: float


@dataclass(slots=True)
class _Call:
    """One call: answered when all its certificates are recorded."""

    missing: int
    answered: Signal = field(default_factory=Signal)


class _World:
    """What all processes share."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.costs = scenario.costs
        self.events = Simulation()
        self.cores = Resource(scenario.cores)
        self.generator = Resource(1)
        self.lock = Resource(1)
        self.random = random.Random(SEED)
        self.recorded = 0
        self.commits = 0

    def vary(self, seconds: float) -> float:
        """A time about so long."""
        return self.random.uniform(0.5, 1.5) * seconds

    def compute(self, seconds: float) -> Process:
        """Use a core so long."""
        yield self.cores
        yield self.vary(seconds)
        self.events.release(self.cores)


class _Server:
    """A pipeline, its signing threads, and its committer."""

    def __init__(self, world: _World) -> None:
        self._world = world
        self._requests: deque[_Call] = deque()
        self._signed: deque[_Call] = deque()
        self._arrived, self._submitted = Signal(), Signal()
        self._interpreter = Resource(1)
        self._threads = Resource(min(world.scenario.cores, MAX_BURST))
        self._unfinished = 0
        world.events.start(self._pipeline())
        world.events.start(self._committer())

    def submit(self, call: _Call) -> None:
        """Take a call on."""
        self._unfinished += call.missing
        self._requests.extend([call] * call.missing)
        self._world.events.tell(self._arrived)

    def _pipeline(self) -> Process:
        world = self._world
        while True:
            self._arrived.clear()
            if not self._requests:
                yield self._arrived
            if len(self._requests) < min(self._unfinished, MAX_BURST):
                yield GATHER_SECONDS
            burst = [self._requests.popleft() for _ in range(min(len(self._requests), MAX_BURST))]
            yield from self._interpret(world.costs.burst - world.costs.shared + len(burst) * world.costs.certificate)
            if world.costs.signature:
                for call in burst:
                    world.events.start(self._sign(call))
            else:
                self._commit(burst)

    def _interpret(self, seconds: float) -> Process:
        """Use the interpreter so long, in turn with the server's other thread."""
        while seconds > 0:
            yield self._interpreter
            yield from self._world.compute(min(seconds, SWITCH_SECONDS))
            self._world.events.release(self._interpreter)
            seconds -= SWITCH_SECONDS

    def _sign(self, call: _Call) -> Process:
        yield self._threads
        yield from self._world.compute(self._world.costs.signature)
        self._world.events.release(self._threads)
        self._commit([call])

    def _commit(self, signed: list[_Call]) -> None:
        self._signed.extend(signed)
        self._world.events.tell(self._submitted)

    def _committer(self) -> Process:
        world, costs = self._world, self._world.costs
        while True:
            self._submitted.clear()
            if not self._signed:
                yield self._submitted
            yield world.lock
            rows = [self._signed.popleft() for _ in range(min(len(self._signed), MAX_ENTRIES))]
            yield from self._interpret(costs.shared)
            rest = world.vary(costs.commit - costs.shared + len(rows) * costs.row)
            computing = min(rest, len(rows) * costs.database)
            yield world.cores
            yield computing
            world.events.release(world.cores)
            yield rest - computing
            world.events.release(world.lock)
            self._answer(rows)

    def _answer(self, rows: list[_Call]) -> None:
        self._world.recorded += len(rows)
        self._world.commits += 1
        self._unfinished -= len(rows)
        for call in rows:
            call.missing -= 1
            if not call.missing:
                self._world.events.tell(call.answered)


def _caller(world: _World, server: _Server) -> Process:
    while True:
        yield world.generator
        yield from world.compute(world.costs.caller)
        world.events.release(world.generator)
        yield world.vary(world.costs.wire)
        call = _Call(world.scenario.batch)
        server.submit(call)
        yield call.answered


def simulate(scenario: Scenario) -> Outcome:
    """Play a scenario."""
    world = _World(scenario)
    servers = [_Server(world) for _ in range(scenario.servers)]
    for number in range(scenario.callers):
        world.events.start(_caller(world, servers[number % len(servers)]))
    world.events.run(WARM_UP_SECONDS)
    recorded, commits = world.recorded, world.commits
    world.events.run(WARM_UP_SECONDS + scenario.seconds)
    recorded, commits = world.recorded - recorded, world.commits - commits
    return Outcome(recorded / scenario.seconds, recorded / commits if commits else 0.0)
