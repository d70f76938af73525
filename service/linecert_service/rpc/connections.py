"""What a connection may cost: the options of gRPC that bound it.

Names and meanings are those of grpc's `channel_arg_names.h`. None of them looks into a request: they keep strangers,
broken machines and greedy callers from taking the sockets, the memory and the time that the others need.
"""

from dataclasses import dataclass
from typing import Final

MAX_REQUEST_OCTETS: Final = 9 * 1024 * 1024
"""A batch of 500 requests."""
MAX_PROBE_OCTETS: Final = 64 * 1024
"""A health check's request holds the name of a service."""
MAX_METADATA_OCTETS: Final = 16 * 1024
"""Of all headers of a call; gRPC starts refusing at half of that."""
MIN_WAITING: Final = 2_048
"""Calls that wait to be looked at. From half of it on gRPC drops some, whoever's they are: a station that floods should
not come so far, since calls that are refused are taken on, held back and answered (see `tarpit`)."""
MAX_STREAMS: Final = 1024
"""Calls under way on one connection: as many as a station may have admitted with a pooled key, half of 2,048."""

AGE_GRACE_SECONDS: Final = 600
"""For calls that are under way when their connection's time is over: an export may be one of them."""
KEEPALIVE_SECONDS: Final = 60
"""After as long a silence the server asks whether the peer is there, ..."""
KEEPALIVE_TIMEOUT_SECONDS: Final = 20
"""... and waits this long for its answer."""
PING_SECONDS: Final = 10
"""More pings than one in this time are strikes: half of what `linecert` does, so that no client of ours gets one."""
PING_STRIKES: Final = 2
"""The next one ends the connection (ENHANCE_YOUR_CALM, `too_many_pings`)."""

Options = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost; durations in seconds.

    Attributes:
        connections: at once; what comes beyond is closed before its handshake.
        handshake: for TCP's first octet, TLS, and HTTP/2's settings together.
        idle: without a call.
        age: whatever happens on it; gRPC spreads it by a tenth, so that callers do not come back all at once.
        message: octets of a request.
        waiting: calls that wait, over all connections, until the service comes to look at them. From half of that on
            gRPC refuses some of those that come, and all when it is reached: CANCELLED, without details.
    """

    connections: int
    handshake: int
    idle: int
    age: int
    message: int = MAX_REQUEST_OCTETS
    waiting: int = MIN_WAITING

    def options(self) -> Options:
        """As gRPC takes them."""
        return (
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.server_handshake_timeout_ms", self.handshake * 1000),
            ("grpc.max_connection_idle_ms", self.idle * 1000),
            ("grpc.max_connection_age_ms", self.age * 1000),
            ("grpc.max_connection_age_grace_ms", AGE_GRACE_SECONDS * 1000),
            ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
            # Both ways: the server asks on idle connections, too, and callers may.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", PING_SECONDS * 1000),
            ("grpc.http2.max_ping_strikes", PING_STRIKES),
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            # A refusal by the service costs it a quarter of a certificate; one by gRPC a fifteenth, in other threads.
            ("grpc.server.max_pending_requests", self.waiting // 2),
            ("grpc.server.max_pending_requests_hard_limit", self.waiting),
            ("grpc.max_receive_message_length", self.message),
            ("grpc.max_metadata_size", MAX_METADATA_OCTETS // 2),
            ("grpc.absolute_max_metadata_size", MAX_METADATA_OCTETS),
            # With it two servers would share a port, and calls would go to either of them.
            ("grpc.so_reuseport", 0),
        )


PROBES: Final = ConnectionLimits(connections=64, handshake=10, idle=60, age=3600, message=MAX_PROBE_OCTETS)
"""Those of the health port."""
