"""Databases that fail while callers call: nothing answered is lost, nothing is issued twice, and service comes back.

Meanwhile callers are told UNAVAILABLE and when to send again, and the service is not ready.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import audit_log, postgres
from support.databases import DATABASES, new_postgresql_store, new_store
from support.faults import READ_ONLY, faulty
from support.outages import becomes, full, lock_held, small_disk, standby, stopped
from support.persistent import PersistentLoad, under_load
from support.reply_loss import ReplyLoss
from support.server import ServerProcess, ask, events_of, installation_at, process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server on PostgreSQL."""
    with process(installation_at(tmp_path / "server", store_url=new_postgresql_store())) as running:
        yield running


async def check(load: PersistentLoad, server: ServerProcess) -> None:
    """Callers were told to send again, what was answered stands, and every signature was kept until it was recorded."""
    load.check_refusals()
    await load.check_answers(server)
    # A checkpoint may be late, and a look-up in vain.
    expected = {"checkpoint failed", "rejected"}
    lines = [line for line in events_of(server.lines) if line["level"] in {"error", "critical"}]
    assert [line for line in lines if line["event"] not in expected] == []


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_postgresql_restarts(server: ServerProcess, mode: str) -> None:
    """In an orderly way, and as after a crash, while certificates are being issued."""
    async with under_load(server) as load:
        async with stopped(postgres.cluster(), mode):
            await becomes(server, ready=False)
            await load.refused("AUDIT_STORE_UNAVAILABLE")
        await becomes(server, ready=True)
        await load.goes_on()
    await check(load, server)


async def test_backends_are_terminated(server: ServerProcess) -> None:
    """Connections that break, again and again, are made anew."""
    async with under_load(server) as load:
        for _ in range(10):
            await asyncio.to_thread(postgres.cluster().terminate_backends)
            await load.goes_on(2)
    await check(load, server)


@pytest.mark.parametrize("database", DATABASES)
async def test_lock_is_held_by_somebody(tmp_path: Path, database: str) -> None:
    """The service waits no longer for it than callers do, and goes on when it is free."""
    with process(installation_at(tmp_path / "server", store_url=new_store(database))) as server:
        async with under_load(server) as load:
            with lock_held(server.installation):
                await load.refused("AUDIT_STORE_UNAVAILABLE")
                await becomes(server, ready=False)
            await becomes(server, ready=True)
            await load.goes_on()
        await check(load, server)


async def test_sqlite_file_is_read_only(tmp_path: Path) -> None:
    """Until it may be written again."""
    with faulty(installation_at(tmp_path / "server")) as server:
        async with under_load(server) as load:
            server.arm(READ_ONLY)
            await becomes(server, ready=False)
            await load.refused("AUDIT_STORE_UNAVAILABLE")
            server.arm("")
            await becomes(server, ready=True)
            await load.goes_on()
        await check(load, server)


async def test_postgresql_is_read_only(server: ServerProcess) -> None:
    """A server that has become a standby refuses to write, until it is promoted."""
    async with under_load(server) as load:
        async with standby(postgres.cluster()):
            await becomes(server, ready=False)
            await load.refused("AUDIT_STORE_UNAVAILABLE")
        await becomes(server, ready=True)
        await load.goes_on()
    await check(load, server)


async def test_default_of_postgresql_is_read_only(server: ServerProcess) -> None:
    """An operator closes the database to writers, and opens it again."""
    cluster, database = postgres.cluster(), server.installation.settings().store.url.rpartition("/")[2]
    async with under_load(server) as load:
        cluster.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        cluster.terminate_backends()
        await becomes(server, ready=False)
        await load.refused("AUDIT_STORE_UNAVAILABLE")
        cluster.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        # The setting is the sessions', which last.
        cluster.terminate_backends()
        await becomes(server, ready=True)
        await load.goes_on()
    await check(load, server)


async def test_reply_to_a_commit_is_lost(tmp_path: Path) -> None:
    """PostgreSQL has committed and the connection breaks before it can say so: no second certificate is made."""
    async with ReplyLoss(postgres.cluster().port) as way:
        installation = installation_at(tmp_path / "server", store_url=way.through(new_postgresql_store()))
        server = ServerProcess(installation)
        # What blocks this loop blocks the way as well.
        await asyncio.to_thread(server.start)
        try:
            station = server.caller()
            await station.sign(ask("device-0"))
            for number in range(1, 4):
                way.arm()
                request = ask(f"device-{number}")
                first = await station.sign(request)
                assert (way.lost, first.replayed) == (number, False)
                second = await station.sign(request)
                assert (second.replayed, second.issued, second.chain) == (True, first.issued, first.chain)
            await server.close_callers()
            assert await asyncio.to_thread(server.terminate) == 0
        finally:
            server.close()
        log = await asyncio.to_thread(audit_log.verified, installation)
    assert [record.registration_id for record in log.certificates] == [f"device-{number}" for number in range(4)]
    # Those of the repetitions; each lost reply cost no signature.
    assert log.discarded() == ["REPLAYED"] * 3


async def test_disk_of_postgresql_is_full(tmp_path: Path) -> None:
    """What cannot be recorded is not answered; when space is given back it is recorded and answered."""
    url = new_postgresql_store()
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(postgres.cluster(), url))
        except OSError as error:
            pytest.skip(f"a full disk under PostgreSQL needs the right to mount a small file system: {error}")
        server = stack.enter_context(process(installation_at(tmp_path / "server", store_url=url)))
        async with under_load(server) as load:
            with full(disk):
                await load.refused("AUDIT_STORE_UNAVAILABLE")
                await becomes(server, ready=False)
            await becomes(server, ready=True)
            await load.goes_on()
        await check(load, server)
