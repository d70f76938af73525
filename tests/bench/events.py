"""A discrete-event simulation in a few lines: processes that wait for time, for resources and for signals.

A process is a generator. It yields a number of seconds, a Resource, which it then holds until it releases it, or a
Signal. Nothing here is random, and events of the same time come in the order in which they were planned.
"""

import heapq
from collections import deque
from collections.abc import Generator
from itertools import count
from typing import Final, TypeAlias, Union

Process: TypeAlias = Generator[Union[float, "Resource", "Signal"], None, None]


class Signal:
    """Something that happens once, or again after `clear`: all who wait go on."""

    def __init__(self) -> None:
        self.happened = False
        self.waiting: list[Process] = []

    def clear(self) -> None:
        """Let who comes from now on wait."""
        self.happened = False


class Resource:
    """What so many processes may hold at a time; the others wait in line.

    Args:
        capacity: how many.
    """

    def __init__(self, capacity: int) -> None:
        self.free = capacity
        self.line: deque[Process] = deque()


class Simulation:
    """Runs processes.

    Attributes:
        now: seconds since the begin.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers: Final = count()
        self._planned: list[tuple[float, int, Process]] = []

    def start(self, process: Process, delay: float = 0.0) -> None:
        """Let a process go on after so many seconds."""
        heapq.heappush(self._planned, (self.now + delay, next(self._numbers), process))

    def run(self, until: float) -> None:
        """Let time pass until then."""
        while self._planned and self._planned[0][0] <= until:
            self.now, _, process = heapq.heappop(self._planned)
            self._go_on(process)
        self.now = until

    def release(self, resource: Resource) -> None:
        """Give a resource back; the first in line gets it."""
        if resource.line:
            self.start(resource.line.popleft())
        else:
            resource.free += 1

    def tell(self, signal: Signal) -> None:
        """Let it happen."""
        signal.happened = True
        for process in signal.waiting:
            self.start(process)
        signal.waiting.clear()

    def _go_on(self, process: Process) -> None:
        for wanted in process:
            if isinstance(wanted, Resource):
                if wanted.free:
                    wanted.free -= 1
                    continue
                wanted.line.append(process)
            elif isinstance(wanted, Signal):
                if wanted.happened:
                    continue
                wanted.waiting.append(process)
            else:
                self.start(process, wanted)
            return
