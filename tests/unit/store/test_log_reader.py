"""Checkpoints, proofs and entries as the store gives them."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import delete, text

from linecert.transparency import leaf_hash, root_of, verify_consistency, verify_inclusion
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.domain.ports import LogEntry
from linecert_service.store.append import append
from linecert_service.store.backend import Backend
from linecert_service.store.issuers import Issuers
from linecert_service.store.log_reader import CHUNK, StoreLogReader
from linecert_service.store.log_tree import LogTree
from linecert_service.store.readers import Readers
from linecert_service.store.schema import CERTIFICATES, CHECKPOINTS
from support.claims import NOW, claim, signed
from support.tampering import unguarded

SIZE = 300


@pytest.fixture
def readers(backend: Backend) -> Iterator[Readers]:
    """Threads that read."""
    readers = Readers(backend.engine, 2)
    yield readers
    readers.close()


@pytest.fixture
def log(backend: Backend, issuers: Issuers, readers: Readers) -> StoreLogReader:
    """A log of 300 entries, every tenth an event, which has a subtree in `log_nodes`."""
    writer = backend.writer()
    for start in range(0, SIZE, 10):
        devices = [signed(claim(f"d-{start + each}", station=f"station-{start // 10 % 2}")) for each in range(9)]
        append(writer, issuers, [*devices, NewEvent("rejected", station="station-0")], NOW + start)
    writer.close()
    return StoreLogReader(backend, issuers, readers)


async def entries(log: StoreLogReader, start: int, stop: int) -> list[LogEntry]:
    """All entries of a stretch."""
    return [entry async for part in log.entries(start, stop) for entry in part]


async def hashes(log: StoreLogReader) -> list[bytes]:
    """The leaves of the whole log."""
    return [leaf_hash(entry.leaf) for entry in await entries(log, 0, SIZE)]


async def test_entries_come_in_order_and_in_parts(log: StoreLogReader) -> None:
    """Certificates and events in the log's order, a chunk at a time, each certificate beside its leaf."""
    parts = [part async for part in log.entries(0, SIZE)]
    assert [len(part) for part in parts] == [CHUNK, SIZE - CHUNK]
    found = [entry for part in parts for entry in part]
    assert [entry.log_index for entry in found] == list(range(SIZE))
    assert [entry.log_index for entry in found if entry.certificate is None] == list(range(9, SIZE, 10))
    assert [entry.log_index for entry in await entries(log, 5, 8)] == [5, 6, 7]


async def test_inclusion_is_proven_at_any_size(log: StoreLogReader) -> None:
    """The proof leads to the root of the tree that is asked for, and no other."""
    leaves = await hashes(log)
    for index, size in ((0, 1), (0, SIZE), (255, 256), (256, 257), (17, 299), (299, SIZE)):
        proof = await log.inclusion(index, size, None)
        assert proof is not None
        verify_inclusion(leaf_hash(proof.leaf), index, size, proof.hashes, root_of(leaves[:size]))


async def test_consistency_is_proven_between_any_sizes(log: StoreLogReader) -> None:
    """From none to all, over the stored subtree's edge, and between equals."""
    leaves = await hashes(log)
    for first, second in ((0, SIZE), (1, 2), (255, 257), (256, SIZE), (100, 256), (SIZE, SIZE)):
        path = await log.consistency(first, second)
        verify_consistency(first, root_of(leaves[:first]), second, root_of(leaves[:second]), path)


def test_roots_of_the_past(backend: Backend, issuers: Issuers, log: StoreLogReader) -> None:
    """The root over the first leaves is what it was when the log had no more."""
    leaves = asyncio.run(hashes(log))
    with backend.engine.begin() as connection:
        tree = LogTree(connection, issuers.sha256_of)
        for size in (0, 1, 2, 255, 256, 257, SIZE):
            assert tree.root_at(size) == root_of(leaves[:size])


async def test_a_station_has_its_own_entries_only(log: StoreLogReader, backend: Backend) -> None:
    """Others' certificates and all events are as if they were not there, by index and by serial number."""
    with backend.engine.begin() as connection:
        serial = connection.execute(text("SELECT serial FROM certificates WHERE log_index = 10")).scalar_one()
    assert await log.index_of(bytes(serial), None) == 10
    assert await log.index_of(bytes(serial), "station-1") == 10
    assert await log.index_of(bytes(serial), "station-0") is None
    assert await log.inclusion(10, SIZE, "station-1") is not None
    assert await log.inclusion(10, SIZE, "station-0") is None
    assert await log.inclusion(9, SIZE, "station-0") is None


async def test_newest_checkpoint(log: StoreLogReader, backend: Backend) -> None:
    """The newest of all, or the newest that is not beyond a size; none where there is none."""
    assert await log.newest_checkpoint() is None
    with backend.engine.begin() as connection:
        for size in (5, 100):
            values = {"size": size, "root": b"r" * 32, "note": f"note {size}", "published_at": 0}
            connection.execute(CHECKPOINTS.insert().values(values))
    found = [await log.newest_checkpoint(size) for size in (None, 100, 99, 5, 4)]
    assert [each and each.note for each in found] == ["note 100", "note 100", "note 5", "note 5", None]


async def test_missing_rows_are_left_out(log: StoreLogReader, backend: Backend) -> None:
    """Who exports a log with a gap gets the gap: everything else comes, at its own index."""
    with unguarded(backend) as connection:
        connection.execute(delete(CERTIFICATES).where(CERTIFICATES.c.log_index.in_([3, 4, 290])))
    found = [entry.log_index for entry in await entries(log, 0, SIZE)]
    assert found == [index for index in range(SIZE) if index not in {3, 4, 290}]


@pytest.mark.parametrize(
    "change", ["attributes = '['", "issued_at = 999999999999999999", 'attributes = \'{"a":"\\ud800"}\'']
)
async def test_rows_that_no_leaf_can_be_made_of_are_left_out(
    log: StoreLogReader, backend: Backend, change: str
) -> None:
    """A row that somebody made unreadable takes none of its neighbours with it."""
    with unguarded(backend) as connection:
        connection.exec_driver_sql(f"UPDATE certificates SET {change} WHERE log_index = 20")  # noqa: S608 - no input
    found = [entry.log_index for entry in await entries(log, 0, SIZE)]
    assert found == [index for index in range(SIZE) if index != 20]


@pytest.mark.parametrize("missing", [[20], [21]])
async def test_no_proof_over_missing_rows(log: StoreLogReader, backend: Backend, missing: Sequence[int]) -> None:
    """Where the entry or a neighbour is gone, the answer is that the log is damaged, not a proof that fails."""
    with unguarded(backend) as connection:
        connection.execute(delete(CERTIFICATES).where(CERTIFICATES.c.log_index.in_(missing)))
    with pytest.raises(Refused) as caught:
        await log.inclusion(20, SIZE, None)
    assert caught.value.reason == reasons.ERROR_REASON_LOG_INCONSISTENT
    with pytest.raises(Refused):
        await log.consistency(21, 22)
