"""Which TLS the service speaks: 1.2 and 1.3, with forward secrecy and authenticated encryption. Real handshakes."""

import contextlib
import ssl
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.installation import chains, offline
from linecert_service.installation.authorities import Validity, distinguished_name
from linecert_service.installation.credentials import private_pem
from support.installations import Installation
from support.raw_connections import context, is_closed, station_credential, tcp, tls
from support.server import ServerProcess, installation_at, process

ALERT, HANDSHAKE = 21, 22
"""Types of TLS records (RFC 8446, section 5.1)."""
EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
"""In OpenSSL's words: all that a client may offer, weak and anonymous suites included."""
SUITES_OF_TLS_1_2 = {
    "ecdsa": {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    "rsa": {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"},
}
"""By the kind of the server's key: ephemeral keys (forward secrecy) and GCM, nothing else."""


@pytest.fixture(scope="module", params=sorted(SUITES_OF_TLS_1_2))
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of the server's key: what `init` makes, and what a company's own CA may give."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a key of this kind."""
    installation = installation_at(tmp_path_factory.mktemp("tls") / "server")
    if kind == "rsa":
        _give_rsa_key(installation)
    with process(installation) as running:
        yield running


def _give_rsa_key(installation: Installation) -> None:
    layout = installation.layout
    authority = offline.authority(layout.server_ca_key, chains.read_certificates(layout.server_ca, "the server CA"))
    key = rsa.generate_private_key(65_537, 2048)
    validity = Validity(datetime.now(UTC), timedelta(days=1))
    certificate = authority.server(distinguished_name("server"), key.public_key(), ["localhost"], validity)
    (layout.pki / "server.key.pem").write_bytes(private_pem(key))
    (layout.pki / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def offering(server: ServerProcess, version: ssl.TLSVersion, suites: str = EVERYTHING) -> ssl.SSLContext:
    """A station that speaks one version of TLS."""
    made = context(server, station_credential(server))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions, which are what this is about
        made.minimum_version = made.maximum_version = version
    made.set_ciphers(suites)
    return made


def is_taken(server: ServerProcess, made: ssl.SSLContext) -> bool:
    """Whether the server finishes the handshake and begins with HTTP/2."""
    try:
        with tls(server, made) as connection:
            return bool(connection.recv(9))
    except OSError:
        return False


def hello_of(made: ssl.SSLContext) -> bytes:
    """The first record that a client sends."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        made.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return out.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_spoken(server: ServerProcess, version: ssl.TLSVersion) -> None:
    """1.2 is the floor: stations with an older OpenSSL have no 1.3."""
    assert is_taken(server, offering(server, version))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(server: ServerProcess, version: ssl.TLSVersion) -> None:
    """RFC 8996: with any cipher suite, also where the client's own library would still speak it."""
    hello = hello_of(offering(server, version))
    assert hello[0] == HANDSHAKE
    with tcp(server) as connection:
        connection.sendall(hello)
        assert connection.recv(1) in {b"", bytes([ALERT])}
    with tcp(server) as connection:
        connection.sendall(hello_of(offering(server, ssl.TLSVersion.TLSv1_2)))
        assert connection.recv(1) == bytes([HANDSHAKE])


def test_the_suites_of_tls_1_2(server: ServerProcess, kind: str) -> None:
    """Of all suites that OpenSSL can offer one by one, these are taken; none is of CBC, RSA key transport or a null."""
    known = [suite["name"] for suite in offering(server, ssl.TLSVersion.TLSv1_2).get_ciphers()]
    offered = [name for name in known if not name.startswith("TLS_")]
    assert len(offered) > 20
    taken = {
        name for name in offered if is_taken(server, offering(server, ssl.TLSVersion.TLSv1_2, f"{name}:@SECLEVEL=0"))
    }
    assert taken == SUITES_OF_TLS_1_2[kind]


def test_the_server_chooses_authenticated_encryption(server: ServerProcess) -> None:
    """In TLS 1.3 there is nothing else."""
    with tls(server, offering(server, ssl.TLSVersion.TLSv1_3)) as connection:
        assert connection.version() == "TLSv1.3"
        suite = connection.cipher()
        assert suite is not None
        assert suite[0] in {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
        assert connection.compression() is None


def test_another_protocol_inside_tls_gets_nothing(server: ServerProcess) -> None:
    """Who does not ask for HTTP/2 (ALPN) is not taken for a caller; so TLS of other services leads nowhere (ALPACA)."""
    made = context(server, station_credential(server), "http/1.1")
    with contextlib.suppress(OSError), tls(server, made) as connection:
        assert connection.selected_alpn_protocol() is None
        assert is_closed(connection)
