"""The whole log, chunk by chunk on all cores, in memory that does not grow with it.

Each process hands back the frontier of its chunk, of which a complete chunk has one hash: a node of CHUNK_LEVEL. The
tree over these nodes has the same root as the tree over the leaves, since RFC 9162 splits at powers of two, and so it
has with the root of an incomplete chunk as its last node.
"""

import bisect
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

from linecert.transparency import Frontier
from linecert_client.audit.epochs import EpochStart
from linecert_client.audit.findings import Finding, Findings
from linecert_client.audit.leaves import (
    CHUNK_LEVEL,
    CHUNK_SIZE,
    Checked,
    Chunk,
    ChunkChecker,
    chunks_of,
    out_of_order,
    ran_back,
)
from linecert_client.log_results import LogEntry
from linecert_client.progress import Progress, silent

_WITHOUT_PROCESSES: Final = 8  # chunks that are checked before starting processes would pay
_AHEAD: Final = 3  # chunks a process that may wait

_Pending = Iterator[tuple[int, list[LogEntry | bytes]]]


@dataclass(slots=True)
class Tree:
    """What the leaves came to.

    Attributes:
        frontier: of all leaves.
        roots: by size, of the trees that were asked for and lie within, and of those that an epoch began with.
        epochs: that began in these leaves, in order.
    """

    frontier: Frontier
    roots: dict[int, bytes] = field(default_factory=dict)
    certificates: int = 0
    epochs: list[EpochStart] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


def read_tree(
    entries: Iterable[LogEntry | bytes],
    *,
    start: Frontier | None = None,
    sizes: Iterable[int] = (),
    issuers: Mapping[str, bytes],
    progress: Progress = silent,
) -> Tree:
    """Check leaves and compute the trees over them.

    Args:
        entries: from the service, or lines of a file.
        start: of the leaves before them.
        sizes: of the trees whose roots are wanted.
        issuers: DER by hex SHA-256; empty: signatures are not verified.
        progress: told of leaves that are done.
    """
    builder = _Builder(start or Frontier(), sorted(set(sizes)))
    pending = chunks_of(builder.size, entries)
    checker = ChunkChecker(issuers)
    for position, chunk in islice(pending, _WITHOUT_PROCESSES):
        progress(builder.add(checker.check(builder.chunk(position, chunk))))
    following = next(pending, None)
    if following:
        _in_processes(builder, chain([following], pending), issuers, progress)
    return builder.tree()


def _in_processes(builder: "_Builder", pending: _Pending, issuers: Mapping[str, bytes], progress: Progress) -> None:
    workers = _cores()
    running: deque[Future[Checked]] = deque()
    # Not forked: this process may have gRPC's threads. Nor does Windows fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_process, (dict(issuers),)) as pool:
        for position, chunk in pending:
            running.append(pool.submit(_check_in_process, builder.chunk(position, chunk)))
            if len(running) > workers * _AHEAD:
                progress(builder.add(running.popleft().result()))
        while running:
            progress(builder.add(running.popleft().result()))


class _Builder:
    """Puts the chunks together again, in their order."""

    def __init__(self, start: Frontier, sizes: Sequence[int]) -> None:
        hashes, complete = start.to_bytes(), start.size >> CHUNK_LEVEL
        cut = complete.bit_count() * len(hashes) // max(1, start.size.bit_count())
        self._nodes = Frontier.from_bytes(complete, hashes[:cut])
        self._rest, self._rest_size = hashes[cut:], start.size % CHUNK_SIZE
        self._sizes = sizes
        self._last = start.size - 1
        self._last_time = ""
        self._tree = Tree(start)
        if start.size in sizes:
            self._tree.roots[start.size] = start.root()

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return (self._nodes.size << CHUNK_LEVEL) + self._rest_size

    def chunk(self, position: int, entries: Sequence[LogEntry | bytes]) -> Chunk:
        """A chunk for a process; only the first one begins within a subtree."""
        low = bisect.bisect_right(self._sizes, position)
        high = bisect.bisect_right(self._sizes, position + len(entries))
        return Chunk(position, self._rest if position % CHUNK_SIZE else b"", entries, self._sizes[low:high])

    def add(self, checked: Checked) -> int:
        """Put a checked chunk behind the others, and return how many leaves it had."""
        tree = self._tree
        for finding in self._seam(checked):
            tree.findings.add(finding)
        tree.findings.extend(checked.findings)
        tree.certificates += checked.certificates
        tree.epochs.extend(checked.epochs)
        for size, root in checked.roots.items():
            tree.roots[size] = self._with(root)
        self._rest, self._rest_size = checked.frontier, (checked.start + checked.count) % CHUNK_SIZE
        if not self._rest_size:
            self._nodes.append(checked.frontier)
            self._rest = b""
        return checked.count

    def tree(self) -> Tree:
        """All of it."""
        self._tree.frontier = Frontier.from_bytes(self.size, self._nodes.to_bytes() + self._rest)
        return self._tree

    def _seam(self, checked: Checked) -> Iterator[Finding]:
        if checked.first is None or checked.last is None:
            return
        if checked.first != self._last + 1:
            yield out_of_order(self._last + 1, checked.first)
        if checked.first_time and checked.first_time < self._last_time:
            yield ran_back(checked.first)
        self._last, self._last_time = checked.last, checked.last_time or self._last_time

    def _with(self, root: bytes) -> bytes:
        above = Frontier.from_bytes(self._nodes.size, self._nodes.to_bytes())
        if root:
            above.append(root)
        return above.root()


def _cores() -> int:
    # What this process may use; in a container that is less than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_checkers: Final[list[ChunkChecker]] = []
"""Of a worker process: its one checker."""


def _start_process(issuers: Mapping[str, bytes]) -> None:
    # Ctrl-C goes to all processes of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _checkers.append(ChunkChecker(issuers))


def _check_in_process(chunk: Chunk) -> Checked:
    return _checkers[0].check(chunk)
