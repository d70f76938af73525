"""Finds out whether TLS is what fails, since gRPC says UNAVAILABLE to that as to a server that is down.

With TLS 1.3 the client's handshake ends before the server has judged the client's certificate: the verdict comes with
the first read (RFC 8446, section 4.4.2.4). gRPC servers give it by closing the connection without an alert, while on
an accepted one they speak first (the SETTINGS frame of RFC 9113, section 3.4).
"""

import enum
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final

from linecert_client.config import Address
from linecert_client.credentials import Credential
from linecert_client.errors import TlsError

_LONGEST_SECONDS: Final = 3.0
_SHORTEST_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.2


class Verdict(enum.Enum):
    """What a probe found."""

    ACCEPTED = enum.auto()
    UNREACHABLE = enum.auto()
    CLOSED = enum.auto()


def examine(addresses: Sequence[Address], credential: Credential, left: float = _LONGEST_SECONDS) -> bool:
    """Try the TLS handshake with each server until one accepts it.

    Args:
        addresses: of the servers.
        credential: to show them.
        left: seconds that the call has left; each try is kept within 0.5 to 3 seconds.

    Returns:
        True when a server accepted it; False when none could be reached, which says nothing about TLS.

    Raises:
        TlsError: no server accepted it, and one that was reached failed in TLS.
    """
    credential.check_time()
    timeout = min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, left))
    failure: TlsError | None = None
    for address in addresses:
        try:
            if _probe_twice(address, credential, timeout) is Verdict.ACCEPTED:
                return True
        except TlsError as error:
            failure = failure or error
    if failure:
        raise failure
    return False


def _probe_twice(address: Address, credential: Credential, timeout: float) -> Verdict:
    # A server that is going down closes a connection too: only one that does it again refuses the certificate.
    verdict = _probe(address, credential, timeout)
    if verdict is Verdict.CLOSED:
        time.sleep(_PAUSE_SECONDS)
        verdict = _probe(address, credential, timeout)
    if verdict is Verdict.CLOSED:
        raise credential.failure(
            f"the server {address} ended the connection when it was shown this client certificate, which is valid "
            f"until {credential.not_after:%Y-%m-%d %H:%M} UTC: the server does not trust the CA that issued it, or "
            "its clock is wrong"
        )
    return verdict


def _probe(address: Address, credential: Credential, timeout: float) -> Verdict:
    try:
        raw = socket.create_connection((address.host, address.port), timeout)
    except OSError:
        return Verdict.UNREACHABLE
    with raw:
        try:
            with _context(credential).wrap_socket(raw, server_hostname=address.host) as tls:
                return Verdict.ACCEPTED if tls.recv(1) else Verdict.CLOSED
        except ssl.SSLCertVerificationError as error:
            raise _server_not_trusted(address, credential, error.verify_message) from error
        except (ssl.SSLEOFError, ConnectionError):
            return Verdict.CLOSED
        except ssl.SSLError as error:
            raise _handshake_failed(address, credential, error) from error
        except OSError:
            return Verdict.UNREACHABLE


def _context(credential: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=credential.server_ca.decode("ascii", "ignore"))
    context.load_cert_chain(credential.certificate_path, credential.key_path)
    context.set_alpn_protocols(["h2"])
    return context


def _server_not_trusted(address: Address, credential: Credential, problem: str) -> TlsError:
    return TlsError(
        f"{credential.server_ca_path}: the certificate that the server {address} shows does not pass the check "
        f"against this file: {problem.rstrip('.')}",
        path=credential.server_ca_path,
    )


def _handshake_failed(address: Address, credential: Credential, error: ssl.SSLError) -> TlsError:
    alert = (error.reason or "no reason given").lower().replace("_", " ")
    return credential.failure(
        f"the TLS handshake with the server {address} fails with {alert!r}; "
        f"this client certificate is valid until {credential.not_after:%Y-%m-%d %H:%M} UTC"
    )
