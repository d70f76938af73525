"""Two servers on one PostgreSQL, of which one is killed: callers go on with the other."""

import asyncio
import itertools
import threading
from dataclasses import replace
from pathlib import Path

from linecert_client import Client
from linecert_client.config import ClientConfig
from linecert_client.results import IssuedDevice
from support import audit_log, csrs
from support.databases import new_postgresql_store
from support.fleet import drain, fleet
from support.persistent import under_load
from support.server import STATION, ServerProcess, device_key

KILLS = 2
STATIONS = 4


async def test_one_is_killed_under_load(tmp_path: Path) -> None:
    """Each in its turn: the same request to the other gives one certificate, and none is lost."""
    async with fleet(tmp_path, 2, new_postgresql_store()) as servers:
        async with under_load(*servers) as load:
            for killed in itertools.islice(itertools.cycle(servers), KILLS):
                killed.kill()
                await load.goes_on()
                await asyncio.to_thread(killed.start)
                await load.goes_on()
        load.check_refusals()
        await load.check_answers(*servers)
        await drain(servers)
    log = audit_log.verified(servers[0].installation)
    assert log.newest
    assert log.newest.size == log.size


async def test_client_with_two_addresses_notices_nothing(tmp_path: Path) -> None:
    """The thin client goes on with the server that is left: every call succeeds, with one certificate a device."""
    async with fleet(tmp_path, 2, new_postgresql_store()) as servers:
        killed = threading.Event()
        calls = [asyncio.to_thread(_make, servers, f"station-{number}", killed) for number in range(STATIONS)]
        made = asyncio.gather(*calls)
        await asyncio.sleep(1)
        servers[0].kill()
        killed.set()
        issued = [device for several in await made for device in several]
        log = audit_log.verified(servers[1].installation)
    assert sorted(record.serial.hex() for record in log.certificates) == sorted(
        device.serial_number for device in issued
    )
    assert len({record.registration_key for record in log.certificates}) == len(issued)


def _make(servers: list[ServerProcess], prefix: str, killed: threading.Event) -> list[IssuedDevice]:
    """Ask for one device after the other until a while after the kill."""
    issued: list[IssuedDevice] = []
    left = 10
    with _client(servers) as client:
        while left:
            left -= killed.is_set()
            device = f"{prefix}-{len(issued)}"
            issued.append(client.sign(csrs.make(device, device_key(device))))
    return issued


def _client(servers: list[ServerProcess]) -> Client:
    """A station's client that knows all servers."""
    configs = [ClientConfig.from_folder(server.installation.layout.client(STATION)) for server in servers]
    return Client(replace(configs[0], addresses=tuple(address for each in configs for address in each.addresses)))
