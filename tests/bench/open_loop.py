"""The load generator of what comes from outside: calls at a steady pace, whether or not earlier ones are answered.

Callers that wait for their answers slow down with the server; a factory that starts its shift does not. For comparison
it keeps a number of calls under way, too. Runs in a process of its own.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import http2, loops
from bench.http2 import Answer, Connection

METHOD: Final = "/linecert.v1.SigningService/SignDevice"
TICK_SECONDS: Final = 0.002
PATIENCE_SECONDS: Final = 5.0
"""For the last answers, after their deadlines."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is to be sent.

    Attributes:
        ports: of the servers, which calls go round.
        clients: folders of the callers, which calls go round; each has connections of its own.
        seconds: for how long; it ends earlier when `requests` run out.
        requests: each is sent once.
        rate: calls a second; None: as many as are answered.
        callers: without a rate, how many calls are under way.
        connections: of each caller to each server.
        deadline: of each call, in seconds.
    """

    ports: Sequence[int]
    clients: Sequence[Path]
    seconds: float
    requests: Sequence[bytes] = field(repr=False)
    rate: float | None = None
    callers: int = 64
    connections: int = 8
    deadline: int = 10


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it.

    Attributes:
        began, ended: of the sending, on `time.perf_counter`.
        sent: how many calls were made.
        held_back: calls that the connections would not take: the server did not read them.
        answers: in the order in which they came.
        unanswered: calls without any answer.
        busy: CPU seconds of the generator a second: near 1, it is what limits the rate.
        lost: what connections ended with that ended early.
    """

    began: float
    ended: float
    sent: int
    held_back: int
    answers: list[Answer]
    unanswered: int
    busy: float
    lost: list[str]

    def served(self, skip: float = 0.0) -> float:
        """Calls that were answered OK, a second of the sending without its first `skip` seconds."""
        begin = self.began + skip
        counted = sum(answer.ok and begin <= answer.ended < self.ended for answer in self.answers)
        return counted / (self.ended - begin)

    def latencies(self, *, ok: bool) -> list[float]:
        """Of the calls that were answered OK, or of the others; ascending, in seconds."""
        return sorted(answer.ended - answer.sent for answer in self.answers if answer.ok is ok)


def run(pace: Pace) -> Came:
    """Send, and wait for the answers."""
    return loops.run(send(pace))


async def send(pace: Pace) -> Came:
    """The same, in an event loop that runs."""
    answers: list[Answer] = []
    connections: list[Connection] = []
    try:
        for port, client in itertools.product(pace.ports, pace.clients):
            connections += [
                await http2.connect(port, client, METHOD, pace.deadline, answers.append)
                for _ in range(pace.connections)
            ]
        cpu, began = time.process_time(), time.perf_counter()
        sent, held_back = await _send(pace, _spread(connections, len(pace.ports) * len(pace.clients)), answers)
        ended = time.perf_counter()
        busy = (time.process_time() - cpu) / (ended - began)
        await _settle(connections, pace.deadline + PATIENCE_SECONDS)
        unanswered = sum(connection.open_calls for connection in connections)
        lost = [connection.lost for connection in connections if connection.lost]
    finally:
        for connection in connections:
            await connection.close()
    return Came(began, ended, sent, held_back, answers, unanswered, busy, lost)


def _spread(connections: Sequence[Connection], groups: int) -> Iterator[Connection]:
    """The connections in turn, so that calls that follow each other go to different servers and callers."""
    each = len(connections) // groups
    return itertools.cycle(
        connections[place + number] for number in range(each) for place in range(0, groups * each, each)
    )


async def _send(pace: Pace, turns: Iterator[Connection], answers: Sequence[Answer]) -> tuple[int, int]:
    """Send at the pace; returns how many were sent, and how many could not be."""
    began = time.perf_counter()
    due = held_back = 0
    while due < len(pace.requests) and (passed := time.perf_counter() - began) < pace.seconds:
        wanted = len(answers) + held_back + pace.callers if pace.rate is None else int(passed * pace.rate)
        wanted = min(wanted, len(pace.requests))
        batches: dict[Connection, list[tuple[int, bytes]]] = {}
        for number in range(due, wanted):
            batches.setdefault(next(turns), []).append((number, pace.requests[number]))
        due = max(due, wanted)
        for connection, batch in batches.items():
            if connection.may_send(batch):
                connection.send(batch)
            else:
                held_back += len(batch)
        await asyncio.sleep(TICK_SECONDS)
    return due - held_back, held_back


async def _settle(connections: Sequence[Connection], patience: float) -> None:
    end = time.perf_counter() + patience
    while any(connection.open_calls for connection in connections) and time.perf_counter() < end:  # noqa: ASYNC110 - many calls
        await asyncio.sleep(TICK_SECONDS)
