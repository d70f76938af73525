"""Reads the whole store and compares it with itself: leaves, tree, head, checkpoints, certificates.

It proves that nothing was altered by whoever does not hold the log's key. What auditors do from outside, with
checkpoints that were kept elsewhere, proves more: see `linecert verify`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, or_, select

from linecert.transparency import (
    Frontier,
    LeafError,
    Node,
    NoteError,
    VerifierKey,
    check_leaf_against_certificate,
    leaf_hash,
    open_checkpoint,
    parse_leaf,
)
from linecert_service.domain.ports import LogEntry
from linecert_service.store.backend import Backend
from linecert_service.store.checkpoints import CheckpointRow
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_tree import LogTree
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS, EVENTS, LOG_HEAD, LOG_NODES

CHUNK: Final = 2_048
MAX_PROBLEMS: Final = 100

Progress = Callable[[int, int], None]
"""Is told how many entries of how many have been read."""


@dataclass(slots=True)
class SelfCheck:
    """What was found.

    Attributes:
        size: of the log.
        certificates, events, checkpoints: how many were read.
        problems: sentences; the first MAX_PROBLEMS.
    """

    size: int = 0
    certificates: int = 0
    events: int = 0
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)

    def found(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def check(backend: Backend, keys: Sequence[VerifierKey], progress: Progress) -> SelfCheck:
    """Read everything up to the head as it is now; a server may be running.

    Args:
        backend: the database.
        keys: of the log's epochs.
        progress: is told how far it is.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    issuers = Issuers(backend.engine)
    issuers.read()
    result = SelfCheck()
    with backend.engine.begin() as connection:
        # Before the head: beside a running server a newer checkpoint would seem to be of a longer log.
        stored = _stored_checkpoints(connection)
        result.size, root = connection.execute(select(LOG_HEAD.c.size, LOG_HEAD.c.root)).one()
    notes = _checkpoints(stored, result, keys)
    frontier = Frontier()
    for start in range(0, result.size, CHUNK):
        stop = min(start + CHUNK, result.size)
        # A transaction a chunk: a long one would keep the databases from tidying up.
        with backend.engine.begin() as connection:
            entries = LogTree(connection, issuers.sha256_of).entries(start, stop)
            nodes = _nodes(connection, start, stop)
        _check_chunk(result, entries, frontier, notes, nodes)
        progress(stop, result.size)
    if frontier.root() != root:
        result.found("the head's root is not the root over the entries")
    with backend.engine.begin() as connection:
        _check_outside(connection, result)
    return result


def _stored_checkpoints(connection: Connection) -> list[CheckpointRow]:
    query = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size)
    return [CheckpointRow(*row) for row in connection.execute(query)]


def _check_outside(connection: Connection, result: SelfCheck) -> None:
    """Rows that no entry of the log stands for: the service would take them for issued."""
    outside = [
        (table.name, index)
        for table in (CERTIFICATES, EVENTS)
        for index in connection.scalars(
            select(table.c.log_index)
            .where(or_(table.c.log_index < 0, table.c.log_index >= result.size))
            .limit(MAX_PROBLEMS)
        )
    ]
    # Read after them: a running server has gone on meanwhile.
    size = connection.scalar(select(LOG_HEAD.c.size)) or 0
    for name, index in outside:
        if not 0 <= index < size:
            result.found(f"{name} has a row at position {index}, which the log does not cover")


def _checkpoints(
    stored: Sequence[CheckpointRow], result: SelfCheck, keys: Sequence[VerifierKey]
) -> deque[tuple[int, bytes]]:
    """Size and root of each checkpoint that is one of this log's, in the order of their sizes."""
    statements: deque[tuple[int, bytes]] = deque()
    for size, root, note, _ in stored:
        result.checkpoints += 1
        try:
            stated = open_checkpoint(note, keys)
        except NoteError as error:
            result.found(f"the checkpoint of size {size} does not verify: {error}")
            continue
        if (stated.size, stated.root) != (size, root):
            result.found(f"the checkpoint of size {size} states another size or root than its row")
        if stated.size > result.size:
            result.found(f"the checkpoint of size {stated.size} is of a longer log: its tail is gone")
        statements.append((stated.size, stated.root))
    return statements


def _nodes(connection: Connection, start: int, stop: int) -> set[Node]:
    """The stored subtrees whose last leaf lies in the chunk."""
    nodes = LOG_NODES.c
    found = set()
    for level in connection.scalars(select(nodes.level).distinct()).all():
        query = select(nodes.level, nodes.idx, nodes.hash).where(
            nodes.level == level, nodes.idx >= start >> level, nodes.idx < stop >> level
        )
        found |= {Node(*row) for row in connection.execute(query)}
    return found


def _check_chunk(
    result: SelfCheck,
    entries: Sequence[LogEntry],
    frontier: Frontier,
    notes: deque[tuple[int, bytes]],
    nodes: set[Node],
) -> None:
    made: set[Node] = set()
    for entry in entries:
        _check_statements(result, frontier, notes)
        if entry.log_index != frontier.size:
            result.found(f"entries {frontier.size} to {entry.log_index - 1} are missing, or cannot be read")
            _fill(frontier, entry.log_index)
        _check_entry(result, entry)
        made |= set(frontier.append(leaf_hash(entry.leaf)))
    _check_statements(result, frontier, notes)
    for node in made ^ nodes:
        result.found(f"the stored subtree {node.index} of level {node.level} is not the one over its entries")


def _check_statements(result: SelfCheck, frontier: Frontier, notes: deque[tuple[int, bytes]]) -> None:
    while notes and notes[0][0] <= frontier.size:
        size, root = notes.popleft()
        if size == frontier.size and root != frontier.root():
            result.found(f"the first {size} entries are not those that the checkpoint of this size states")


def _fill(frontier: Frontier, size: int) -> None:
    """Go on behind a gap: what follows is still compared with itself, though no root fits any more."""
    while frontier.size < size:
        frontier.append(leaf_hash(b""))


def _check_entry(result: SelfCheck, entry: LogEntry) -> None:
    try:
        leaf = parse_leaf(entry.leaf)
        if entry.certificate is None:
            result.events += 1
        else:
            result.certificates += 1
            check_leaf_against_certificate(leaf, entry.certificate)
    except LeafError as error:
        result.found(f"entry {entry.log_index}: {error}")
