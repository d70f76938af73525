"""What databases do to those who use them: restarts, lost connections, locks, full disks, failovers."""

import asyncio
import contextlib
import itertools
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import psycopg

from support.installations import Installation
from support.postgres import Cluster
from support.server import Running

PATIENCE_SECONDS: Final = 30
DISK_OCTETS: Final = 32 << 20


async def becomes(server: Running, *, ready: bool) -> None:
    """Wait until the health service says so."""
    probe = server.probe()
    async with asyncio.timeout(PATIENCE_SECONDS):
        for pause in itertools.repeat(0.1):
            if await probe.serving() is ready:
                break
            await asyncio.sleep(pause)
    await probe.channel.close()


@contextlib.asynccontextmanager
async def stopped(cluster: Cluster, mode: str) -> AsyncIterator[None]:
    """PostgreSQL is down: `fast` ends its backends, `immediate` is a crash."""
    await asyncio.to_thread(cluster.stop, mode)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.start)


@contextlib.asynccontextmanager
async def standby(cluster: Cluster) -> AsyncIterator[None]:
    """PostgreSQL has become a standby, which refuses to write, as after a failover; in the end it is promoted."""
    async with stopped(cluster, "fast"):
        (cluster.data / "standby.signal").touch()
    try:
        yield
    finally:
        await asyncio.to_thread(cluster._run, "pg_ctl", "promote", "-w")


@contextlib.contextmanager
def lock_held(installation: Installation) -> Iterator[None]:
    """Somebody else holds the lock that every append takes."""
    url = installation.settings().store.url
    connection: sqlite3.Connection | psycopg.Connection[object]
    if url.startswith("sqlite"):
        connection = sqlite3.connect(
            installation.folder / "linecert.db", isolation_level=None, timeout=PATIENCE_SECONDS
        )
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(url)
        connection.execute("SELECT size FROM log_head FOR UPDATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


@contextlib.contextmanager
def small_disk(cluster: Cluster, url: str) -> Iterator[Path]:
    """A small file system with the tables of a database on it; where it is mounted.

    Raises:
        PermissionError: who runs this may not mount.
    """
    folder, database = cluster.data.parent / "small-disk", url.rpartition("/")[2]
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.callback(folder.rmdir)
        _mount("mount", "-t", "tmpfs", "-o", f"size={DISK_OCTETS}", "tmpfs", str(folder))
        stack.callback(_mount, "umount", str(folder))
        shutil.chown(folder, cluster.data.owner())
        cluster.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        stack.callback(cluster.execute, "DROP TABLESPACE small")
        cluster.execute(f"ALTER DATABASE {database} SET TABLESPACE small")
        stack.callback(cluster.execute, f"DROP DATABASE {database} WITH (FORCE)")
        yield folder


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing more fits on a small disk."""
    ballast = disk / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            # A write that fits in part is shortened, and the next one refused.
            while file.write(bytes(DISK_OCTETS)):
                pass
        yield
    finally:
        ballast.unlink()


def _mount(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.strip())
