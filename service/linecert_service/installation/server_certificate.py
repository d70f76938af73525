"""The server's certificate: the names in it, and the next one."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, offline
from linecert_service.installation.authorities import Authority, Validity, distinguished_name
from linecert_service.installation.credentials import address_of
from linecert_service.installation.layout import Layout

LIFETIME: Final = timedelta(days=365)

_DNS_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]{0,249}[A-Za-z0-9])?")


def issue(
    server_ca: Authority, key: CertificatePublicKeyTypes, hosts: Iterable[str], now: datetime
) -> x509.Certificate:
    """A certificate for `hosts`, for a year or until the server CA ends."""
    lifetime = min(LIFETIME, server_ca.certificate.not_valid_after_utc - now)
    return server_ca.server(distinguished_name("linecert server"), key, hosts, Validity(now, lifetime))


def renew(settings: Settings, hosts: Iterable[str], now: datetime) -> x509.Certificate:
    """Replace the server's certificate by a new one for the same key, its names, this machine's, and `hosts`.

    The key stays, so that one file is replaced at once and a server that starts meanwhile finds a pair that fits.

    Raises:
        ConfigurationError: a name is none, the server CA's key is not there, or a file cannot be read.
    """
    check_hosts(hosts)
    path = settings.server.tls_certificate
    layout = Layout(settings.folder)
    server_ca = offline.authority(layout.server_ca_key, chains.read_certificates(layout.server_ca, "the server CA"))
    old = chains.read_certificates(path, "server.tls_certificate")[0]
    names = dict.fromkeys((*hosts_of(settings.server.listen, hosts), *_names(old)))
    certificate = issue(server_ca, old.public_key(), names, now)
    files.replace(path, certificate.public_bytes(Encoding.PEM))
    return certificate


def hosts_of(listen: str, hosts: Iterable[str]) -> tuple[str, ...]:
    """What a certificate has to name: this machine in all ways, what the server listens at, and `hosts`; each once."""
    listening = address_of(listen).rpartition(":")[0].strip("[]")
    machine = filter(_is_host, (socket.gethostname(), listening))
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", "::1", *machine, *hosts)))


def check_hosts(hosts: Iterable[str]) -> None:
    """Check names from the command line.

    Raises:
        ConfigurationError: one is neither a DNS name nor an IP address.
    """
    for host in hosts:
        if not _is_host(host):
            raise ConfigurationError("--host takes DNS names, in ASCII, and IP addresses, without a port")


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _DNS_NAME.fullmatch(text) is not None
    return True


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)
