"""The gRPC servers: the services behind mutual TLS, and health in plain text for probes."""

from collections.abc import Callable, Iterable

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from linecert import contract
from linecert_service.domain.errors import ConfigurationError
from linecert_service.rpc.connections import PROBES, ConnectionLimits
from linecert_service.rpc.health import Health
from linecert_service.rpc.tls import LiveTls


def main_server(
    listen: str,
    tls: LiveTls,
    handlers: Iterable[grpc.GenericRpcHandler],
    healths: Health,
    limits: ConnectionLimits,
    *,
    reflect: bool,
) -> tuple[grpc.aio.Server, int]:
    """The server for callers, and the port that it took.

    Raises:
        ConfigurationError: the address cannot be listened at.
    """
    server = grpc.aio.server(options=limits.options())
    server.add_generic_rpc_handlers(tuple(handlers))
    health_pb2_grpc.add_HealthServicer_to_server(healths.servicer, server)
    if reflect:
        names = [service.full_name for service in contract.SERVICES]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return server, _bound(lambda: server.add_secure_port(listen, tls.credentials()), listen, "server.listen")


def health_server(listen: str, healths: Health) -> tuple[grpc.aio.Server, int]:
    """The server for probes, which have no certificate; and the port that it took.

    Raises:
        ConfigurationError: the address cannot be listened at.
    """
    server = grpc.aio.server(options=PROBES.options())
    health_pb2_grpc.add_HealthServicer_to_server(healths.servicer, server)
    return server, _bound(lambda: server.add_insecure_port(listen), listen, "server.health_listen")


def _bound(bind: Callable[[], int], listen: str, setting: str) -> int:
    try:
        return bind()
    except RuntimeError as error:
        raise ConfigurationError(
            f"cannot listen at {listen}: another program has the port, or the address is not this machine's; choose "
            f"another one in `{setting}`"
        ) from error
