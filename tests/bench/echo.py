"""The baseline: what gRPC and TLS alone cost, with the service's own listener, event loop and size of messages."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import grpc

from bench import loops
from linecert.v1 import signing_pb2
from linecert_service.rpc.connections import ConnectionLimits
from linecert_service.rpc.health import Health
from linecert_service.rpc.server import main_server
from linecert_service.rpc.tls import LiveTls, Tls
from support.installations import Installation

_SIGNING: Final = signing_pb2.DESCRIPTOR.services_by_name["SigningService"]


def serve(folder: Path, response: bytes, started: Connection) -> None:
    """Answer SignDevice with `response` until the process is ended.

    Args:
        folder: the installation whose certificates it takes.
        response: octets of the answer.
        started: gets the port.
    """
    loops.run(_serve(folder, response, started))


async def _serve(folder: Path, response: bytes, started: Connection) -> None:
    async def answer(_request: bytes, _context: Any) -> bytes:
        return response

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    handlers = grpc.method_handlers_generic_handler(_SIGNING.full_name, {"SignDevice": handler})
    server, port = main_server(
        "127.0.0.1:0", LiveTls(_tls(folder)), [handlers], Health(), ConnectionLimits(4096, 10, 900, 3600), reflect=False
    )
    await server.start()
    started.send(port)
    await server.wait_for_termination()


def _tls(folder: Path) -> Tls:
    settings = Installation(folder).settings().server
    return Tls(settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes(), settings.client_ca.read_bytes())
