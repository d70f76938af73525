"""Several servers on one database, each a process with files of its own, as they would run on several machines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from support.server import ServerProcess, installation_at


@contextlib.asynccontextmanager
async def fleet(
    folder: Path, count: int, store_url: str | None, stations: str = ""
) -> AsyncIterator[list[ServerProcess]]:
    """So many servers that run, ended with the block however that ends; `stations` is added to each station."""
    servers = []
    for number in range(count):
        installation = installation_at(folder / f"server-{number}", store_url=store_url)
        installation.edit('profiles = ["device"]', f'profiles = ["device"]\n{stations}', file="stations.toml")
        servers.append(ServerProcess(installation))
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        yield servers
        for server in servers:
            await server.close_callers()
    finally:
        for server in servers:
            server.close()


async def drain(servers: list[ServerProcess]) -> None:
    """End them as systemd does, all at once."""
    for server in servers:
        await server.close_callers()
    assert set(await asyncio.gather(*(asyncio.to_thread(server.terminate) for server in servers))) == {0}
