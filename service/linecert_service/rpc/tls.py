"""The server's side of TLS, exchanged while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """What the server shows and trusts: PEM each."""

    key: bytes = field(repr=False)
    certificate: bytes
    client_ca: bytes


class LiveTls:
    """Gives gRPC what is in force at each handshake. Connections that stand are left alone.

    Args:
        tls: what is in force first. It is not judged here: what gRPC cannot use, it logs, and goes on with the last.
    """

    def __init__(self, tls: Tls) -> None:
        self._current = self._given = _configuration(tls)

    def replace(self, tls: Tls) -> None:
        """Shake hands with this from now on."""
        self._current = _configuration(tls)

    def credentials(self) -> grpc.ServerCredentials:
        """What `add_secure_port` takes; a client certificate is required."""
        # types-grpcio does not know that None says that nothing has changed.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._fetch)
        return grpc.dynamic_ssl_server_credentials(self._given, fetch, require_client_authentication=True)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What has changed since the last handshake, or None. gRPC calls it in threads of its own, one at a time."""
        current = self._current
        if current is self._given:
            return None
        self._given = current
        return current


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.certificate)], root_certificates=tls.client_ca)
