"""A new issuer from its key to its first certificate, by the commands of an operator, for each kind of key."""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
import tomlkit
from cryptography import x509

from linecert_service.cli import main
from support import audit_log
from support.issuer_places import NAME, PLACES, place
from support.openssl import needs_openssl, verify_client_chain
from support.server import LINECERT_SERVER, ServerProcess, ask, chain_pem, installation_at, leaf, process

PATIENCE_SECONDS = 60


def issuer(*arguments: object) -> None:
    """A command of the group `issuer`, in this process, which succeeds."""
    with pytest.raises(SystemExit) as ended:
        main(["issuer", *map(str, arguments)])
    assert not ended.value.code


def run(*arguments: object) -> str:
    """The same in a process of its own; returns what it prints."""
    done = subprocess.run(
        [LINECERT_SERVER, "issuer", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def signed_by(server: ServerProcess, subject: x509.Name) -> bytes:
    """The chain of the first certificate that comes from this issuer."""
    station = server.caller()
    ends = time.monotonic() + PATIENCE_SECONDS
    for number in range(1000):
        response = await station.sign(ask(f"device-{number}"))
        if leaf(response.issued).issuer == subject:
            return chain_pem(response)
        assert time.monotonic() < ends, "no server took the issuer over"
        await asyncio.sleep(0.2)
    raise AssertionError


@needs_openssl
@pytest.mark.parametrize("kind", PLACES)
async def test_a_ceremony(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Request, root elsewhere, install, self-test and switch beside a running server, which then issues with the key.

    The chain verifies with OpenSSL; the two signatures that were no certificates are events, and the log is whole.
    """
    installation = installation_at(tmp_path / "site")
    offline = installation.layout.offline.rename(tmp_path / "offline")
    csr, chain = tmp_path / "line-3.csr.pem", tmp_path / "line-3.chain.pem"
    with place(kind, tmp_path, monkeypatch) as where, process(installation) as server:
        first = await server.caller().sign(ask("before"))

        settings = ("--config", installation.config)
        told = await asyncio.to_thread(run, "request", NAME, "--out", csr, *where.options, *settings)
        fingerprint = told.partition("--fingerprint ")[2].split()[0]
        issuer("sign-request", csr, "--offline", offline, "--fingerprint", fingerprint, "--out", chain)
        await asyncio.to_thread(issuer, "install", NAME, chain, "--stage", "device", *settings)
        await asyncio.to_thread(issuer, "self-test", NAME, *settings)
        # Nothing is issued with it before somebody says so.
        assert leaf((await server.caller().sign(ask("between"))).issued).issuer == leaf(first.issued).issuer

        issuer("switch", "device", *settings)
        new = x509.load_pem_x509_certificates(chain.read_bytes())[0]
        verify_client_chain(await signed_by(server, new.subject), tmp_path)
        await server.close_callers()
        assert await asyncio.to_thread(server.terminate) == 0

    assert str(tomlkit.parse(installation.config.read_text())["issuers"][NAME]["key"]).startswith(where.reference)  # type: ignore[index]
    assert audit_log.ca_signatures(installation) == [(NAME, "certificate_request"), (NAME, "self_test")]
    assert "lost" not in "".join(server.lines)
    assert '"level":"error"' not in "".join(server.lines)
