"""A load balancer of connections, as stands before servers that share an address: it does not look into them."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final, Self

_CHUNK: Final = 1 << 16


class Balancer:
    """Gives each new connection to the next server.

    Args:
        ports: of the servers, on the loopback.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.use(ports)
        self._passing: set[asyncio.Task[None]] = set()

    def use(self, ports: Sequence[int]) -> None:
        """Give new connections to these servers; those that are open stay where they are."""
        self._turns = itertools.cycle(ports)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where callers connect."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _begin(self, caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(caller, to_caller))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", next(self._turns))
        except OSError:
            to_caller.close()
            return
        try:
            await asyncio.gather(_copy(caller, to_server), _copy(server, to_caller))
        finally:
            to_server.close()
            to_caller.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while octets := await source.read(_CHUNK):
            target.write(octets)
            await target.drain()
    except ConnectionError:
        # One side is gone: the other is told by the end of what comes.
        pass
    finally:
        target.close()
