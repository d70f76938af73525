"""A whole server whose issuer's key is in a token."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import grpc.aio
import pytest

from linecert_service.cli import PIN_REFUSED_STATUS
from support import softhsm
from support.installations import Installation
from support.outages import becomes
from support.server import LINECERT_SERVER, ServerProcess, ask, events_of, leaf, process, refused
from support.softhsm import PIN, SoftToken


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A token without keys."""
    return softhsm.new_token(tmp_path / "softhsm", monkeypatch)


def with_pin(installation: Installation, pin: str = PIN) -> Path:
    """Write the PIN into a file, and name it in the TOML."""
    path = installation.folder / "pki/issuer.pin"
    path.touch(mode=0o600)
    path.write_text(f"{pin}\n")
    installation.edit("[issuers.issuer]\n", '[issuers.issuer]\npin_file = "pki/issuer.pin"\n')
    return path


@pytest.mark.parametrize("kind", ["P-384", "RSA-2048"])
async def test_a_key_in_a_token_issues(installation: Installation, token: SoftToken, kind: str) -> None:
    """The certificate verifies under the chain; what was asked twice is answered twice alike."""
    softhsm.move_issuer(installation, token, kind)
    with_pin(installation)
    with process(installation) as server:
        station = server.caller()
        requests = [ask(f"device-{number}") for number in range(20)]
        answers = await asyncio.gather(*map(station.sign, requests))
        issuer = installation.chain()[0]
        for answer in answers:
            leaf(answer.issued).verify_directly_issued_by(issuer)
        again = await station.sign(requests[0])
        assert again.issued.certificate == answers[0].issued.certificate
        await server.close_callers()
        assert server.terminate() == 0
    assert "left threads that hang" not in "".join(server.lines)


async def test_a_server_outlives_the_loss_of_its_token(
    installation: Installation, token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls get SIGNER_UNAVAILABLE with a time to come back; health and metric fall, and rise without a restart."""
    softhsm.move_issuer(installation, token, "P-256")
    monkeypatch.setenv("LINECERT_ISSUER_ISSUER_PIN", PIN)
    with process(installation) as server:
        station = server.caller()
        first = await station.sign(ask("device-01"))
        token.take_out()
        request = ask("device-02")
        refusal = await refused(station.sign(request))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "SIGNER_UNAVAILABLE")
        assert refusal.retry_after is not None
        assert refusal.retry_after >= 1
        await becomes(server, ready=False)
        assert "linecert_signer_up 0.0" in await asyncio.to_thread(server.scrape)
        token.put_back()
        await becomes(server, ready=True)
        second = await station.sign(request)
        assert leaf(second.issued).issuer == leaf(first.issued).issuer
        await server.close_callers()
        assert server.terminate() == 0
    log = "".join(server.lines)
    assert '"event":"token out of reach"' in log
    assert '"event":"token in reach again"' in log
    assert PIN not in log


HANGS = """
import sys, threading
from linecert_service.cli import main
from linecert_service.signers.pkcs11 import signer

def hang(*_):
    print("it hangs", flush=True)
    threading.Event().wait()

signer._sign = hang
main(sys.argv[1:])
"""


async def test_a_token_that_hangs_does_not_keep_the_server_from_ending(
    installation: Installation, token: SoftToken
) -> None:
    """SIGTERM in the middle of a signature that never comes: it drains, says so, and exits 0."""
    softhsm.move_issuer(installation, token, "P-256")
    with_pin(installation)
    server = ServerProcess(installation, program=(sys.executable, "-c", HANGS))
    try:
        server.start()
        call = asyncio.ensure_future(server.caller().sign(ask(), timeout=5))
        async with asyncio.timeout(60):
            while "it hangs\n" not in server.lines:  # noqa: ASYNC110 - the lines are another thread's
                await asyncio.sleep(0.05)
        assert await asyncio.to_thread(server.terminate) == 0
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call
        await server.close_callers()
    finally:
        server.close()
    events = {event["event"]: event for event in events_of(server.lines)}
    assert "stopped" in events
    assert "signer_0" in events["left threads that hang"]["threads"]


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_pin_is_said_before_anything_starts(installation: Installation, token: SoftToken, command: str) -> None:
    """One sentence, which does not show the PIN; by its exit status systemd does not try again."""
    softhsm.move_issuer(installation, token, "P-256")
    path = with_pin(installation, "3141-5926")
    result = run(command, installation)
    assert result.returncode == PIN_REFUSED_STATUS
    assert f"refuses the PIN from the first line of {path}" in result.stderr
    assert "3141" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_a_key_that_is_not_the_issuers_is_refused(installation: Installation, token: SoftToken) -> None:
    """The token holds another key under the name."""
    softhsm.move_issuer(installation, token, "P-256")
    token.make_key("P-256", "other", "02")
    with_pin(installation)
    installation.edit("object=issuer", "object=other")
    result = run("check", installation)
    assert result.returncode == 1
    assert "does not belong to" in result.stderr


def test_the_pin_may_stand_where_the_uri_says(installation: Installation, token: SoftToken) -> None:
    """`pin-source`, as other programs take it; open to others, it is refused."""
    softhsm.move_issuer(installation, token, "P-256")
    path = with_pin(installation)
    installation.edit('pin_file = "pki/issuer.pin"\n', "")
    installation.edit("module-path=", f"pin-source=file:{path}&module-path=")
    assert run("check", installation).returncode == 0
    path.chmod(0o644)
    result = run("check", installation)
    assert result.returncode == 1
    assert f"{path} is open to others" in result.stderr


def run(command: str, installation: Installation) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    return subprocess.run(
        [LINECERT_SERVER, command, "--config", str(installation.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_warns_of_a_key_that_could_be_taken_out(installation: Installation, token: SoftToken) -> None:
    """The server starts with it: the operator knows why."""
    softhsm.move_issuer(installation, token, "P-256", "EXTRACTABLE")
    with_pin(installation)
    result = run("check", installation)
    assert result.returncode == 0, result.stderr
    assert "the key of issuers.issuer may leave its token" in result.stdout
