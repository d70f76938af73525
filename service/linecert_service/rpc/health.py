"""gRPC's health protocol: what the service says of itself, on the main port and on one without TLS for probes.

https://grpc.io/docs/guides/health-checking/
"""

import asyncio
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from linecert import contract

# The empty name is the server as a whole.
_NAMES: Final = ("", *(service.full_name for service in contract.SERVICES))


class Health:
    """The health of all services: they are ready together. Belongs to the event loop that it is made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.servicer = health_aio.HealthServicer()
        self._announce(ready=False)

    def changed(self, ready: bool) -> None:
        """Take over the readiness; from any thread."""
        self._loop.call_soon_threadsafe(lambda: self._announce(ready=ready))

    async def close(self) -> None:
        """Say NOT_SERVING from now on."""
        await self.servicer.enter_graceful_shutdown()

    def _announce(self, *, ready: bool) -> None:
        task = self._loop.create_task(self._set(ready=ready))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _set(self, *, ready: bool) -> None:
        statuses = health_pb2.HealthCheckResponse
        for name in _NAMES:
            await self.servicer.set(name, statuses.SERVING if ready else statuses.NOT_SERVING)
