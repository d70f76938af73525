"""One gRPC channel a server, and the turn that calls take over them.

A gRPC target with several addresses holds IP addresses only and checks every server's certificate against one name.
Servers on several ports of one host, or under names of their own, need a channel each; a repeat of a call that failed
thereby goes to the next server.
"""

import itertools
import json
from collections.abc import Sequence
from typing import Final

import grpc

from linecert.v1.audit_pb2_grpc import AuditServiceStub
from linecert.v1.signing_pb2_grpc import SigningServiceStub
from linecert.v1.work_order_pb2_grpc import WorkOrderServiceStub
from linecert_client.config import Address
from linecert_client.credentials import Credential

# A name that resolves to several servers (a Kubernetes headless service) is gone round as well, call by call; each
# shows a certificate for that name. It is resolved anew when a connection ends, which the server sees to once an hour.
_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})

_OPTIONS: Final = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_receive_message_length", 9 * 1024 * 1024),
    # Reconnecting keeps pace with retries; gRPC's own waits grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # A connection that a firewall dropped silently is found out while a call waits, and not kept when idle. The server
    # allows a ping every 10 s: more often would be answered with GOAWAY.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.client_idle_timeout_ms", 300_000),
    # The service stands on the factory's own network: a proxy in the environment is meant for the web.
    ("grpc.enable_http_proxy", 0),
)


class Server:
    """The stubs of one server."""

    def __init__(self, address: Address, credentials: grpc.ChannelCredentials) -> None:
        self._channel = grpc.secure_channel(f"dns:///{address}", credentials, _OPTIONS)
        self.signing = SigningServiceStub(self._channel)
        self.audit = AuditServiceStub(self._channel)
        self.work_orders = WorkOrderServiceStub(self._channel)

    def close(self) -> None:
        """End the connection; calls in flight are cancelled."""
        self._channel.close()


class Servers:
    """All servers of a configuration, in turn. Safe for threads."""

    def __init__(self, addresses: Sequence[Address], credential: Credential) -> None:
        credentials = grpc.ssl_channel_credentials(credential.server_ca, credential.key, credential.certificate)
        self._servers = [Server(address, credentials) for address in addresses]
        self._turn = itertools.cycle(self._servers)

    def next(self) -> Server:
        """The server whose turn it is."""
        return next(self._turn)

    def close(self) -> None:
        """Close all of them."""
        for server in self._servers:
            server.close()
