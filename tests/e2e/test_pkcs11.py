"""A whole server whose issuer's key is in a token."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from support import softhsm
from support.installations import Installation
from support.outages import becomes
from support.server import LINECERT_SERVER, ask, leaf, process, refused
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


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_pin_is_said_before_anything_starts(installation: Installation, token: SoftToken, command: str) -> None:
    """One sentence, which does not show the PIN."""
    softhsm.move_issuer(installation, token, "P-256")
    path = with_pin(installation, "3141-5926")
    result = run(command, installation)
    assert result.returncode == 1
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
