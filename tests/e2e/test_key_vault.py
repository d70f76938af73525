"""A server whose CA key lies in a key vault: issues, waits where the vault wants it to, and comes back by itself."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from support import audit_log
from support.key_vault.double import KEY_IDENTIFIER, KeyVaultDouble, key_vault
from support.key_vault.servers import move_key, server_of, vault_server
from support.outages import becomes
from support.persistent import under_load
from support.server import LINECERT_SERVER, ServerProcess, ask, events_of, installation_at, leaf, refused

Pair = tuple[ServerProcess, KeyVaultDouble]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A server and its vault."""
    with vault_server(tmp_path) as running:
        yield running


def outcome(server: ServerProcess, name: str) -> float:
    """How many signatures had an outcome, by the metrics."""
    found = [line for line in server.scrape().splitlines() if f'signer_requests_total{{outcome="{name}"}}' in line]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.mark.parametrize("key_type", ["p384", "rsa-3072"])
async def test_issues(tmp_path: Path, key_type: str) -> None:
    """With keys of each kind; the certificate chains up to the root, and the vault made its signature."""
    with vault_server(tmp_path, key_type) as (server, double):  # type: ignore[arg-type]
        response = await server.caller().sign(ask("device-01"))
        leaf(response.issued).verify_directly_issued_by(server.installation.chain()[0])
        assert double.seen().signatures == 1
        await server.close_callers()
        assert await asyncio.to_thread(server.terminate) == 0


async def test_replay_costs_no_signature(pair: Pair) -> None:
    """The store is asked first: by request_id, and by key."""
    server, double = pair
    station, request = server.caller(), ask("device-01")
    first = await station.sign(request)
    request_again = ask("device-01", csr=request.csr, request_id=str(uuid.uuid4()))
    for again in (request, request_again):
        assert (await station.sign(again)).issued == first.issued
    assert double.seen().signatures == 1
    await server.close_callers()


async def test_health_does_not_sign(pair: Pair) -> None:
    """A server that is only looked at asks the vault for nothing but the key, and seldom."""
    server, double = pair
    for _ in range(20):
        assert await server.probe().serving()
    assert double.seen().signatures == 0
    assert double.seen().requests["get"] == 1
    await server.close_callers()


async def test_throttled_vault_makes_calls_wait(pair: Pair) -> None:
    """A call waits as long as the vault asks for, and is answered within its deadline."""
    server, double = pair
    station = server.caller()
    await station.sign(ask("device-0"))
    double.let(status=429, retry_after="1")
    call = asyncio.ensure_future(station.sign(ask("device-1")))
    async with asyncio.timeout(30):
        while not outcome(server, "throttled"):  # noqa: ASYNC110 - the metrics are another process's
            await asyncio.sleep(0.05)
    double.let(status=0)
    assert not (await call).replayed
    assert "linecert_signer_throttled_total 0.0" not in server.scrape()
    assert await server.probe().serving()
    await server.close_callers()


async def test_vault_that_wants_longer_than_the_deadline(pair: Pair) -> None:
    """The call is refused in time, with what the vault said as the time to come back."""
    server, double = pair
    double.let(status=429, retry_after="20")
    refusal = await refused(server.caller().sign(ask("device-1"), timeout=5))
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "SIGNER_UNAVAILABLE")
    assert refusal.retry_after is not None
    assert refusal.retry_after > 5
    await server.close_callers()


@pytest.mark.parametrize("fault", ["refuse", "reset", "hang"])
async def test_vault_is_down_for_a_while(pair: Pair, fault: str) -> None:
    """Callers are told to come back, the server is not ready, and when the vault is there all is well by itself."""
    server, double = pair
    async with under_load(server) as load:
        double.let(**{fault: True})
        await becomes(server, ready=False)
        await load.refused("SIGNER_UNAVAILABLE")
        double.let(**{fault: False})
        await becomes(server, ready=True)
        await load.goes_on()
    assert {refusal.status for refusal in load.refusals} <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert all(refusal.retry_after for refusal in load.refusals if refusal.reason)
    await load.check_answers(server)


async def test_server_ends_while_the_vault_is_silent(pair: Pair) -> None:
    """Readiness falls, and SIGTERM ends the server in time, though signatures and looks are under way."""
    server, double = pair
    station = server.caller()
    await station.sign(ask("device-0"))
    double.let(hang=True)
    calls = [asyncio.ensure_future(refused(station.sign(ask(f"device-{n}"), timeout=20))) for n in range(1, 20)]
    await becomes(server, ready=False)
    assert await asyncio.to_thread(server.terminate) == 0
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await server.close_callers()


async def test_lost_replies_make_no_second_certificate(pair: Pair) -> None:
    """What the vault signed and nobody received is signed anew, and recorded once."""
    server, double = pair
    station = server.caller()
    double.let(lose_replies=True)
    call = asyncio.ensure_future(station.sign(ask("device-1")))
    async with asyncio.timeout(30):
        while not outcome(server, "unreachable"):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
    double.let(lose_replies=False)
    response = await call
    await server.close_callers()
    assert await asyncio.to_thread(server.terminate) == 0
    log = await asyncio.to_thread(audit_log.verified, server.installation)
    assert [record.certificate for record in log.certificates] == [response.issued.certificate]


async def test_disabled_key(pair: Pair) -> None:
    """Calls are refused at once, readiness falls, the log says what to do; when it is enabled all goes on."""
    server, double = pair
    station = server.caller()
    double.key(enabled=False)
    refusal = await refused(station.sign(ask("device-1")))
    assert refusal.reason == "SIGNER_UNAVAILABLE"
    assert "disabled" in refusal.message
    await becomes(server, ready=False)
    assert "linecert_signer_up 0.0" in await asyncio.to_thread(server.scrape)
    double.key(enabled=True)
    await becomes(server, ready=True)
    await station.sign(ask("device-1"))
    await server.close_callers()
    problems = [line["problem"] for line in events_of(server.lines) if line["event"] == "CA key unusable"]
    assert problems == ["the CA key is disabled in its key vault: enable it there"]


async def test_tokens_end(tmp_path: Path) -> None:
    """Tokens that expire are renewed before, and those that are revoked at once; no call notices."""
    installation = installation_at(tmp_path / "server")
    with key_vault(tmp_path / "vault", move_key(installation)) as double:
        double.entra(seconds=2)
        server = server_of(installation, double)
        try:
            await asyncio.to_thread(server.start)
            station = server.caller()
            for number in range(6):
                await station.sign(ask(f"device-{number}"))
                if number % 2:
                    double.revoke_tokens()
            assert sum(double.seen().tokens.values()) > 3
            await server.close_callers()
        finally:
            server.close()


async def test_secrets_are_in_no_log(pair: Pair) -> None:
    """Neither the client secret nor a token, whatever goes wrong."""
    server, double = pair
    station = server.caller()
    await station.sign(ask("device-1"))
    double.key(permissions=["get"])
    await refused(station.sign(ask("device-2")))
    double.entra(secret="another one")  # noqa: S106 - none that is used
    double.revoke_tokens()
    refusal = await refused(station.sign(ask("device-3")))
    assert "credential" in refusal.message
    await server.close_callers()
    assert await asyncio.to_thread(server.terminate) == 0
    printed = "".join(server.lines)
    assert double.secret not in printed
    assert "token-of-the-double" not in printed


def test_key_that_is_another_is_refused(tmp_path: Path) -> None:
    """The chain in the settings has to be that of the key in the vault; `check` says so without signing."""
    installation = installation_at(tmp_path / "server")
    key = move_key(installation)
    command = [LINECERT_SERVER, "check", "--config", str(installation.config)]
    for name, private_key, status in (("its own", key, 0), ("another", ec.generate_private_key(ec.SECP256R1()), 1)):
        with key_vault(tmp_path / name, private_key) as double:
            environment = {**os.environ, **double.environment}
            checked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert checked.returncode == status, checked.stderr
            assert double.seen().signatures == 0
    assert f"the key {KEY_IDENTIFIER} does not belong to" in checked.stderr
