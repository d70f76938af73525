"""Finds out whether TLS is what fails, since gRPC says UNAVAILABLE to that as to a server that is down.

With TLS 1.3 the client's handshake ends before the server has judged the client's certificate: the verdict comes with
the first read (RFC 8446, section 4.4.2.4). gRPC servers give it by closing the connection without an alert, while on
an accepted one they speak first (the SETTINGS frame of RFC 9113, section 3.4).
"""

import enum
import socket
import ssl
import time
from typing import Any, Final, NamedTuple

from linecert_client import errors
from linecert_client.config import Address, ClientConfig
from linecert_client.credentials import Credential
from linecert_client.errors import ConfigurationError, LinecertError, TlsError

_LONGEST_SECONDS: Final = 3.0
_SHORTEST_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.2
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"})
"""OpenSSL's reasons for an answer that is no record of TLS, in all its versions."""


class Unreached(NamedTuple):
    """No server could be reached, which says nothing about TLS.

    Attributes:
        problem: what became of the connection to each.
        action: who has to act.
    """

    problem: str
    action: str


class _Verdict(enum.Enum):
    """What a probe found at a server that was reached."""

    ACCEPTED = enum.auto()
    CLOSED = enum.auto()


class _NoAnswerError(Exception):
    """A server was not reached."""

    def __init__(self, problem: str, *, unknown_host: bool = False) -> None:
        super().__init__(problem)
        self.unknown_host = unknown_host


def examine(config: ClientConfig, credential: Credential, left: float = _LONGEST_SECONDS) -> Unreached | None:
    """Try the TLS handshake with each server until one accepts it.

    Args:
        config: where the servers are.
        credential: to show them.
        left: seconds that the call has left; each try is kept within 0.5 to 3 seconds.

    Returns:
        None when a server accepted it, else why none could be reached.

    Raises:
        TlsError: no server accepted it, and one that was reached failed in TLS.
        ConfigurationError: the same, and what was reached does not speak TLS.
    """
    credential.check_time()
    timeout = min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, left))
    failure: LinecertError | None = None
    silent: dict[Address, _NoAnswerError] = {}
    for address in config.addresses:
        try:
            _probe_twice(address, config, credential, timeout)
        except _NoAnswerError as error:
            silent[address] = error
        except LinecertError as error:
            failure = failure or error
        else:
            return None
    if failure:
        raise failure
    return _unreached(config, silent)


def _unreached(config: ClientConfig, silent: dict[Address, _NoAnswerError]) -> Unreached:
    causes = ", ".join(f"{address} ({error})" for address, error in silent.items())
    mistyped = all(error.unknown_host for error in silent.values())
    return Unreached(
        f"no server answers at {causes}: see {config.addresses_from}",
        errors.FIX_STATION if mistyped else errors.RETRY,
    )


def _probe_twice(address: Address, config: ClientConfig, credential: Credential, timeout: float) -> None:
    # A server that is going down closes a connection too: only one that does it again refuses the certificate.
    if _probe(address, config, credential, timeout) is _Verdict.ACCEPTED:
        return
    time.sleep(_PAUSE_SECONDS)
    if _probe(address, config, credential, timeout) is _Verdict.ACCEPTED:
        return
    raise credential.failure(
        f"the server {address} ended the connection when it was shown this client certificate, which is valid "
        f"until {credential.not_after:%Y-%m-%d %H:%M} UTC: the server does not trust the CA that issued it, or "
        "its clock is wrong"
    )


def _probe(address: Address, config: ClientConfig, credential: Credential, timeout: float) -> _Verdict:
    with _connected(address, _context(credential), timeout) as tls:
        try:
            tls.do_handshake()
            return _Verdict.ACCEPTED if tls.recv(1) else _Verdict.CLOSED
        except ssl.SSLCertVerificationError as error:
            raise _server_not_trusted(address, credential, error.verify_message) from error
        except (ssl.SSLEOFError, ConnectionError):
            return _Verdict.CLOSED
        except ssl.SSLError as error:
            if error.reason in _NOT_TLS:
                raise _not_tls(address, config) from error
            raise _handshake_failed(address, credential, error) from error
        except OSError as error:
            raise _NoAnswerError("no answer to the TLS handshake") from error


def _connected(address: Address, context: ssl.SSLContext, timeout: float) -> ssl.SSLSocket:
    """Connect to the first of the host's addresses that takes it; the handshake is left to the caller."""
    failure: OSError | None = None
    for family, kind, protocol, _, where in _resolved(address):
        # Wrapped before it connects: wrap_socket never closes the socket of a connection that was reset by then.
        tls = context.wrap_socket(
            socket.socket(family, kind, protocol), do_handshake_on_connect=False, server_hostname=address.host
        )
        tls.settimeout(timeout)
        try:
            tls.connect(where)
        except OSError as error:
            tls.close()
            failure = error
        else:
            return tls
    if isinstance(failure, TimeoutError):
        raise _NoAnswerError("no answer") from failure
    raise _NoAnswerError(((failure and failure.strerror) or "no connection").lower()) from failure


def _resolved(address: Address) -> list[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        again = error.errno == socket.EAI_AGAIN
        problem = "the name server does not answer" if again else "no such host"
        raise _NoAnswerError(problem, unknown_host=not again) from error


def _context(credential: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=credential.server_ca.decode("ascii", "ignore"))
    context.load_cert_chain(credential.certificate_path, credential.key_path)
    context.set_alpn_protocols(["h2"])
    return context


def _not_tls(address: Address, config: ClientConfig) -> ConfigurationError:
    return ConfigurationError(
        f"{config.addresses_from}: what answers at {address} does not speak TLS; the port may be the one of metrics "
        "or health: name that of `listen` in the server's linecert.toml"
    )


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
