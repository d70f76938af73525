"""Several servers on one database, each a process with files of its own, as they would run on several machines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from linecert_service.installation.add_station import AddOptions, add_station
from support.issuers import in_days
from support.server import ServerProcess, installation_at


@contextlib.asynccontextmanager
async def fleet(
    folder: Path,
    count: int,
    store_url: str | None,
    stations: str = "",
    *,
    more: Sequence[str] = (),
    settings: str = "",
    start: int | None = None,
) -> AsyncIterator[list[ServerProcess]]:
    """So many servers that run, ended with the block however that ends.

    Args:
        folder: for their files.
        count: how many.
        store_url: of the database that they share.
        stations: settings that are added to each station.
        more: names of stations beside station-01.
        settings: tables that are added to the settings of each server.
        start: how many of them are started; None: all.
    """
    servers = []
    for number in range(count):
        installation = installation_at(folder / f"server-{number}", store_url=store_url)
        for name in more:
            add_station(installation.settings(), AddOptions(name, "line-01"), in_days(0))
        installation.config.write_text(f"{installation.config.read_text()}\n{settings}")
        installation.edit('profiles = ["device"]', f'profiles = ["device"]\n{stations}', file="stations.toml")
        servers.append(ServerProcess(installation))
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers[:start]))
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
