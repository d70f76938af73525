"""How calls find all servers: by several addresses, a name that has several, and connections that come to an end."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from linecert_client import Client
from linecert_client.config import Address, ClientConfig
from linecert_service.installation.server_certificate import renew
from support import csrs
from support.balancer import Balancer
from support.databases import new_postgresql_store
from support.fleet import drain, fleet
from support.issuers import in_days
from support.name_server import NameServer
from support.server import STATION, ServerProcess, device_key, events_of, installation_at

PATIENCE_SECONDS = 60
NAME = "linecert.test"
ADDRESSES = ("127.0.0.1", "127.0.0.2")
CALLS = 20


def client(server: ServerProcess, addresses: Sequence[str]) -> Client:
    """A station's client that knows these addresses."""
    config = ClientConfig.from_folder(server.installation.layout.client(STATION))
    return Client(replace(config, addresses=tuple(map(Address.parse, addresses))))


def issue(linecert: Client, numbers: Iterator[int]) -> str:
    """Ask for a certificate of the next device; returns its serial number."""
    device = f"device-{next(numbers)}"
    return linecert.sign(csrs.make(device, device_key(device))).serial_number


def issued_by(server: ServerProcess) -> set[str]:
    """The serial numbers of what a server has issued, by its own log; of a server that has ended."""
    return {event["serial_number"] for event in events_of(server.lines) if event["event"] == "issued"}


def _port(server: ServerProcess) -> int:
    return int(server.target.rpartition(":")[2])


@contextlib.asynccontextmanager
async def named(folder: Path) -> AsyncIterator[list[ServerProcess]]:
    """Two servers at one port of two addresses, with certificates for NAME and for no address of the second."""
    store = new_postgresql_store()
    installations = [installation_at(folder / address, store_url=store) for address in ADDRESSES]
    listen = installations[0].settings().server.listen
    for installation, address in zip(installations, ADDRESSES, strict=True):
        installation.edit(f'"{installation.settings().server.listen}"', f'"{address}:{listen.rpartition(":")[2]}"')
        renew(installation.settings(), (NAME,), in_days(0))
    servers = [ServerProcess(installation) for installation in installations]
    try:
        for server in servers:
            await asyncio.to_thread(server.start)
        yield servers
    finally:
        for server in servers:
            server.close()


async def test_calls_go_round_several_addresses(tmp_path: Path) -> None:
    """`addresses` with two servers: each issues half of what one client asks for, one call after the other."""
    async with fleet(tmp_path, 2, new_postgresql_store()) as servers:
        with client(servers[0], [f"localhost:{_port(server)}" for server in servers]) as linecert:
            numbers = itertools.count()
            serials = [await asyncio.to_thread(issue, linecert, numbers) for _ in range(CALLS)]
        await drain(servers)
    shares = [issued_by(server) for server in servers]
    assert shares == [set(serials[::2]), set(serials[1::2])]


async def test_calls_go_round_the_servers_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dns:///NAME:PORT`: every address of the name is a server, and each is checked against the name."""
    secure_channel = grpc.secure_channel
    with NameServer(NAME, ADDRESSES) as names:
        # What the machine's own name server would be asked.
        monkeypatch.setattr(
            "linecert_client.channels.grpc.secure_channel",
            lambda target, *rest: secure_channel(target.replace("dns:///", f"dns://127.0.0.1:{names.port}/"), *rest),
        )
        async with named(tmp_path) as servers:
            with client(servers[0], [f"dns:///{NAME}:{_port(servers[0])}"]) as linecert:
                numbers = itertools.count()
                # Either connection may be the first to stand: from then on calls take turns.
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not all(map(_served, servers)):
                        await asyncio.to_thread(issue, linecert, numbers)
            await drain(servers)
    shares = [issued_by(server) for server in servers]
    assert all(shares)
    assert not shares[0] & shares[1]


async def test_a_server_that_is_added_gets_calls(tmp_path: Path) -> None:
    """Behind one address: when a connection's age is reached, the next one may lead to the server that was added."""
    store = new_postgresql_store()
    async with fleet(tmp_path, 2, store, settings='[limits]\nconnection_age = "1s"\n', start=1) as servers:
        async with Balancer([_port(servers[0])]) as balancer:
            with client(servers[0], [f"localhost:{balancer.port}"]) as linecert:
                numbers = itertools.count()
                serials = [await asyncio.to_thread(issue, linecert, numbers)]
                await asyncio.to_thread(servers[1].start)
                balancer.use([_port(server) for server in servers])
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not _served(servers[1]):
                        serials.append(await asyncio.to_thread(issue, linecert, numbers))
        await drain(servers)
    shares = [issued_by(server) for server in servers]
    assert all(shares)
    # No call was refused on the way from one to the other, and none was made twice.
    assert sorted(serials) == sorted(shares[0] | shares[1])


def _served(server: ServerProcess) -> bool:
    return any('"event":"issued"' in line for line in server.lines)
