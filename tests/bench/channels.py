"""Connections of grpc's own client, for the load generators."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from bench.servers import Target

SIGN_DEVICE: Final = "/linecert.v1.SigningService/SignDevice"
BATCH_SIGN_DEVICES: Final = "/linecert.v1.SigningService/BatchSignDevices"

DEADLINE_SECONDS: Final = 60.0
BATCH_DEADLINE_SECONDS: Final = 180.0
"""With an RSA issuer, 256 batches of 50 are 14 s of work for two cores that do nothing else."""

_OPTIONS: Final = (
    # A connection for each channel, where gRPC would share one.
    ("grpc.use_local_subchannel_pool", 1),
)

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@contextlib.asynccontextmanager
async def methods(target: Target, callers: int, method: str = SIGN_DEVICE) -> AsyncIterator[list[Call]]:
    """The method to call, over a connection for each caller."""
    credentials = _credentials(target.client)
    async with contextlib.AsyncExitStack() as channels:
        opened = [
            await channels.enter_async_context(
                grpc.aio.secure_channel(f"localhost:{target.port}", credentials, _OPTIONS)
            )
            for _ in range(callers)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in opened))
        yield [channel.unary_unary(method) for channel in opened]


def _credentials(client: Path) -> grpc.ChannelCredentials:
    server_ca, key, certificate = (
        (client / name).read_bytes() for name in ("server-ca.pem", "key.pem", "certificate.pem")
    )
    return grpc.ssl_channel_credentials(server_ca, key, certificate)
