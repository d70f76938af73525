"""A way to PostgreSQL on which the reply to a COMMIT gets lost."""

import asyncio
from typing import Final, Self

_CHUNK: Final = 1 << 16


class ReplyLoss:
    """Passes on what a service and PostgreSQL say to each other, and breaks off where a test wants it.

    Args:
        port: of PostgreSQL, on the loopback.

    Attributes:
        lost: how many replies.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._armed = False
        self._connections: set[asyncio.Task[None]] = set()
        self.lost = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def through(self, url: str) -> str:
        """The URL of the same database on this way."""
        return url.replace(f":{self._port}/", f":{self._server.sockets[0].getsockname()[1]}/")

    def arm(self) -> None:
        """Lose the reply to the next append's COMMIT, once it has come from PostgreSQL, and the connection with it."""
        self._armed = True

    def _begin(self, service: asyncio.StreamReader, to_service: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.create_task(self._pass_on(service, to_service)))

    async def _pass_on(self, service: asyncio.StreamReader, to_service: asyncio.StreamWriter) -> None:
        database, to_database = await asyncio.open_connection("127.0.0.1", self._port)
        losing = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(service, to_database, losing)),
            asyncio.create_task(self._replies(database, to_service, losing)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for writer in (to_service, to_database):
                writer.close()
            await asyncio.gather(*ways, to_service.wait_closed(), to_database.wait_closed(), return_exceptions=True)

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        appends = False
        while data := await source.read(_CHUNK):
            # The first time a connection sends a statement, its text is in the message.
            appends |= b"FOR UPDATE" in data
            if self._armed and appends and b"COMMIT" in data.replace(b"READ COMMITTED", b""):
                self._armed = False
                losing.set()
            sink.write(data)
            await sink.drain()

    async def _replies(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await source.read(_CHUNK):
            if losing.is_set():
                self.lost += 1
                return
            sink.write(data)
            await sink.drain()
