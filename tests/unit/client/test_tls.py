"""TLS that fails is told as such, at once, with the file and until when its certificate was valid."""

import gc
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from linecert_client import Client, ConfigurationError, TlsError, tls_probe
from linecert_client.config import Address, ClientConfig
from linecert_client.credentials import Credential
from support.client_pki import Identity, Pki, write_client_folder
from support.fake_service import FakeService

_DAY = timedelta(days=1)


def failure(folder: Path, service: FakeService) -> TlsError:
    """The TlsError of one call; no attempt reached the service, and none was left to the deadline."""
    with pytest.raises(TlsError) as caught, Client.from_folder(folder) as client:
        client.issuers(deadline=3600)
    assert service.requests == []
    return caught.value


def test_expired_client_certificate(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """An expired client certificate is named with its file and its end, before any call."""
    expired = pki.station_ca.issue("ict-07", start=-10 * _DAY, end=-2 * _DAY)
    folder = write_client_folder(tmp_path / "c", [service.address], expired, pki.server_ca)
    error = failure(folder, service)
    assert error.path == folder / "certificate.pem"
    assert error.not_after == expired.certificate.not_valid_after_utc
    assert f"{expired.certificate.not_valid_after_utc:%Y-%m-%d}" in str(error)
    assert "expired" in str(error)


def test_client_certificate_of_the_future(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A client certificate that is not valid yet is named too."""
    future = pki.station_ca.issue("ict-07", start=2 * _DAY)
    error = failure(write_client_folder(tmp_path / "c", [service.address], future, pki.server_ca), service)
    assert "not valid before" in str(error)


def test_client_certificate_that_expires_between_calls(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A probe names a client certificate that ended while the client was open."""
    expired = pki.station_ca.issue("ict-07", start=-10 * _DAY, end=-2 * _DAY)
    folder = write_client_folder(tmp_path / "c", [service.address], expired, pki.server_ca)
    credential = Credential.load(ClientConfig.from_folder(folder))
    with pytest.raises(TlsError, match="expired"):
        tls_probe.examine(ClientConfig.from_folder(folder), credential)


def test_client_certificate_of_an_unknown_ca(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A client certificate that the server does not trust is named, though gRPC servers refuse it without a word."""
    stranger = pki.stranger_ca.issue("ict-07")
    folder = write_client_folder(tmp_path / "c", [service.address], stranger, pki.server_ca)
    error = failure(folder, service)
    assert error.path == folder / "certificate.pem"
    assert error.not_after == stranger.certificate.not_valid_after_utc
    assert "does not trust" in str(error)
    assert "operator" in error.advice


def test_server_of_another_ca(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A server whose certificate does not chain to server-ca.pem is not trusted; that file is named."""
    folder = write_client_folder(tmp_path / "c", [service.address], pki.station, pki.stranger_ca)
    error = failure(folder, service)
    assert error.path == folder / "server-ca.pem"
    assert "issuer certificate" in str(error)


def test_server_of_another_name(pki: Pki, tmp_path: Path) -> None:
    """A server whose certificate is for another name is not trusted; the name is told."""
    with FakeService(pki.server_ca.issue("server", san="elsewhere.example"), pki.station_ca) as service:
        folder = write_client_folder(tmp_path / "c", [service.address], pki.station, pki.server_ca)
        assert "'localhost'" in str(failure(folder, service))


def test_expired_server_certificate(pki: Pki, tmp_path: Path) -> None:
    """An expired server certificate is told as such."""
    expired = pki.server_ca.issue("server", san="localhost", start=-10 * _DAY, end=-2 * _DAY)
    with FakeService(expired, pki.station_ca) as service:
        folder = write_client_folder(tmp_path / "c", [service.address], pki.station, pki.server_ca)
        assert "expired" in str(failure(folder, service))


def test_one_good_server_is_enough(pki: Pki, service: FakeService, tmp_path: Path) -> None:
    """A server that fails in TLS does not hide another that works."""
    with FakeService(pki.server_ca.issue("server", san="elsewhere.example"), pki.station_ca) as other:
        addresses = [other.address, service.address]
        folder = write_client_folder(tmp_path / "c", addresses, pki.station, pki.server_ca)
        with Client.from_folder(folder) as client:
            assert client.issuers().station == "ict-07"


def test_server_by_ip_address(pki: Pki, tmp_path: Path) -> None:
    """A server may be named by its IP address when its certificate has it."""
    with FakeService(pki.server_ca.issue("server", san="127.0.0.1"), pki.station_ca) as service:
        folder = write_client_folder(tmp_path / "c", [f"127.0.0.1:{service.port}"], pki.station, pki.server_ca)
        with Client.from_folder(folder) as client:
            assert client.issuers().station == "ict-07"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_alert_of_other_servers_is_told(pki: Pki, folder: Path, version: ssl.TLSVersion) -> None:
    """Servers that do send an alert (OpenSSL's) have it quoted, in TLS 1.2 from the handshake, in 1.3 from the read."""
    stranger = write_client_folder(folder.parent / "s", ["localhost:1"], pki.stranger_ca.issue("x"), pki.server_ca)
    config = ClientConfig.from_folder(stranger)
    with _openssl_server(pki, version, folder) as port, pytest.raises(TlsError, match="unknown ca"):
        tls_probe.examine(_at(config, port), Credential.load(config))


def test_server_that_closes_once_refuses_nothing(pki: Pki, folder: Path) -> None:
    """A connection closed once (a server going down) is tried again before the certificate is blamed."""
    config = ClientConfig.from_folder(folder)
    with _openssl_server(pki, ssl.TLSVersion.TLSv1_3, folder, silent=1) as port:
        assert tls_probe.examine(_at(config, port), Credential.load(config)) is None


def test_server_that_does_not_answer_says_nothing_of_tls(folder: Path) -> None:
    """A port that takes connections and is silent is as good as unreachable."""
    config = ClientConfig.from_folder(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        unreached = tls_probe.examine(_at(config, listener.getsockname()[1]), Credential.load(config), 0)
    assert unreached is not None
    assert "no answer to the TLS handshake" in unreached.problem
    assert unreached.action == "retry"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\x12\x04\0\0\0\0\0" + bytes(18)])
def test_server_that_does_not_speak_tls(folder: Path, answer: bytes) -> None:
    """The metrics or health port of a server is told as that, and no certificate is blamed."""
    config = ClientConfig.from_folder(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ConfigurationError, match="does not speak TLS") as caught:
            tls_probe.examine(_at(config, listener.getsockname()[1]), Credential.load(config))
        thread.join()
    assert str(folder / "client.toml") in str(caught.value)


def test_connections_that_are_reset_at_once_leave_no_socket_open(folder: Path, reset_port: int) -> None:
    """A server that is killed resets what it had accepted: a socket left open would warn, and a warning fails tests."""
    config = ClientConfig.from_folder(folder)
    for _ in range(10):
        # Whether the reset is met by the connect or by the handshake is a matter of luck.
        with suppress(TlsError):
            assert tls_probe.examine(_at(config, reset_port), Credential.load(config))
    gc.collect()


@pytest.fixture
def reset_port() -> Iterator[int]:
    """A port whose connections are reset as soon as they stand, by a process that needs not wait for the test's."""
    code = (
        "import socket, struct, sys\n"
        "listener = socket.socket(fileno=int(sys.argv[1]))\n"
        "while True:\n"
        "    connection, _ = listener.accept()\n"
        "    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "    connection.close()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inherited = listener.fileno()
        with subprocess.Popen([sys.executable, "-c", code, str(inherited)], pass_fds=[inherited]) as process:
            yield listener.getsockname()[1]
            process.kill()


def _at(config: ClientConfig, port: int) -> ClientConfig:
    return replace(config, addresses=(Address("localhost", port),))


@contextmanager
def _openssl_server(pki: Pki, version: ssl.TLSVersion, scratch: Path, *, silent: int = 0) -> Iterator[int]:
    """A TLS server of the standard library; it closes the first `silent` connections without a word, greets others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    server: Identity = pki.server
    (scratch / "server.pem").write_bytes(server.pem + server.key_pem)
    context.load_cert_chain(scratch / "server.pem")
    context.load_verify_locations(cadata=pki.station_ca.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for number in range(silent + 1):
                connection, _ = listener.accept()
                try:
                    with connection, context.wrap_socket(connection, server_side=True) as tls:
                        if number >= silent:
                            tls.sendall(b"\0")
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()
