"""An issuer that is staged while its token is away: what starts, what tries again, and what the switch finds."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import trust
from linecert_service.observability import issuer_keys
from support import softhsm
from support.clocks import SettableClock
from support.installations import Installation
from support.outages import becomes
from support.rollover import NEXT, add_issuer, stage
from support.server import Running, ask, leaf, refused, serving
from support.softhsm import PIN, SoftToken
from support.waiting import PATIENCE_SECONDS

HOUR = 3600


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A token without keys; staged issuers are looked at often."""
    monkeypatch.setattr(issuer_keys, "STAGED_SECONDS", 0.05)
    return softhsm.new_token(tmp_path / "softhsm", monkeypatch)


@pytest.fixture
def staged(installation: Installation, token: SoftToken) -> Installation:
    """In an hour an issuer follows whose key is in the token; that is out."""
    add_issuer(installation)
    pki = installation.layout.pki
    passphrase = (pki / "issuer.passphrase").read_text().splitlines()[0].encode()
    key = load_pem_private_key((pki / f"{NEXT}.key.pem").read_bytes(), passphrase)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    token.put_in(key, NEXT, "07")
    (pki / "next.pin").touch(mode=0o600)
    (pki / "next.pin").write_text(f"{PIN}\n")
    installation.edit(f'"file:pki/{NEXT}.key.pem"', f'"{token.uri(NEXT)}"\npin_file = "pki/next.pin"')
    stage(installation, at=datetime.now(UTC) + timedelta(seconds=HOUR))
    token.take_out()
    return installation


async def until_up(server: Running, *, up: int) -> None:
    """Wait until the metrics say so of the staged issuer."""
    line = f'linecert_issuer_up{{issuer="{NEXT}"}} {up}.0'
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line not in (await asyncio.to_thread(server.scrape)).splitlines():  # noqa: ASYNC110 - it is a page
            await asyncio.sleep(0.05)


async def test_the_server_starts_and_opens_the_key_when_it_is_there(staged: Installation, token: SoftToken) -> None:
    """It warns, issues with the issuer that signs, and needs no restart to sign with the next one in time."""
    clock = SettableClock()
    async with serving(staged, clock) as server:
        await until_up(server, up=0)
        station = server.caller()
        first = leaf((await station.sign(ask("device-01"))).issued)
        first.verify_directly_issued_by(staged.chain()[0])
        token.put_back()
        await until_up(server, up=1)
        clock.passed = HOUR + 1
        second = leaf((await station.sign(ask("device-02"))).issued)
        assert second.issuer.rfc4514_string() == f"CN={NEXT}"


async def test_a_switch_to_a_key_that_is_away_is_an_outage_until_it_comes(
    staged: Installation, token: SoftToken
) -> None:
    """Nothing is signed with the one before; callers get SIGNER_UNAVAILABLE, the same request its answer later."""
    clock = SettableClock()
    async with serving(staged, clock) as server:
        clock.passed = HOUR + 1
        station, request = server.caller(), ask("device-01")
        refusal = await refused(station.sign(request))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "SIGNER_UNAVAILABLE")
        await becomes(server, ready=False)
        token.put_back()
        await becomes(server, ready=True)
        assert leaf((await station.sign(request)).issued).issuer.rfc4514_string() == f"CN={NEXT}"


@pytest.mark.parametrize("problem", ["does not start", "shows no such token"])
def test_a_check_warns_of_it(staged: Installation, token: SoftToken, problem: str) -> None:
    """So does `serve`: which issuer, and what is wrong with its key."""
    if problem == "shows no such token":
        (token.folder / "tokens").mkdir()
    trusted = trust.check(staged.settings(), time.time())
    trusted.close()
    (warning,) = (one for one in trusted.warnings if NEXT in one)
    assert problem in warning


def test_an_issuer_that_signs_must_be_there(staged: Installation) -> None:
    """After the switch the start is refused as ever."""
    with pytest.raises(ConfigurationError, match="does not start"):
        trust.check(staged.settings(), time.time() + HOUR + 60)


def test_a_wrong_pin_is_no_reason_to_wait(staged: Installation, token: SoftToken) -> None:
    """It is the operator's mistake, and each attempt would bring the token closer to locking itself."""
    token.put_back()
    (staged.layout.pki / "next.pin").write_text("1234-5678\n")
    with pytest.raises(ConfigurationError, match="refuses the PIN"):
        trust.check(staged.settings(), time.time())
