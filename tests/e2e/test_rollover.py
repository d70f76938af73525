"""A profile gets another issuer under a running server process: by command or at a time, and no call fails."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from linecert.v1.audit_pb2 import ListEventsRequest
from linecert.v1.signing_pb2 import GetIssuersRequest, SignDeviceRequest, SignDeviceResponse
from support import audit_log
from support.databases import new_postgresql_store
from support.fleet import drain, fleet
from support.installations import Installation
from support.rollover import NEXT, add_issuer, copy_issuer, stage
from support.server import AUDITOR, LINECERT_SERVER, Running, ServerProcess, ask, events_of, leaf, process
from support.waiting import PATIENCE_SECONDS, until

CALLERS = 8
CALL_SECONDS = 60
ANSWERS = 5 * CALLERS


class Load:
    """Callers that ask for one device after the other, none of which may be refused.

    Attributes:
        answered: requests with their answers, in the order of the answers.
    """

    def __init__(self) -> None:
        self.answered: list[tuple[SignDeviceRequest, SignDeviceResponse]] = []
        self._numbers = itertools.count()
        self._ending = False

    @contextlib.asynccontextmanager
    async def on(self, *servers: Running) -> AsyncIterator[None]:
        """Ask until the block ends; a call that fails ends the test."""
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self._call(servers[number % len(servers)]))
            try:
                yield
            finally:
                self._ending = True

    async def goes_on(self) -> None:
        """Wait for some more answers."""
        wanted = len(self.answered) + ANSWERS
        await until(lambda: len(self.answered) >= wanted)

    @property
    def issuers(self) -> list[str]:
        """Which issuers signed, in the order of the log, each as often as one followed another."""
        by_index = sorted((one.issued.log_index, one.issued.issuer_certificate_sha256) for _, one in self.answered)
        return [issuer for issuer, _ in itertools.groupby(issuer for _, issuer in by_index)]

    async def _call(self, server: Running) -> None:
        station = server.caller()
        while not self._ending:
            request = ask(f"device-{next(self._numbers)}")
            self.answered.append((request, await station.sign(request, timeout=CALL_SECONDS)))


def sha256(certificate: x509.Certificate) -> str:
    """How answers name an issuer."""
    return certificate.fingerprint(hashes.SHA256()).hex()


async def logged(server: ServerProcess, event: str, since: int = 0) -> dict[str, Any]:
    """The log's first line of this event after so many lines, once it is there."""

    def found() -> list[dict[str, Any]]:
        return [one for one in events_of(server.lines[since:]) if one["event"] == event]

    await until(lambda: bool(found()))
    return found()[0]


async def told(server: Running, *kinds: str) -> list[dict[str, str]]:
    """The details of events, oldest first."""
    answer = await server.caller(AUDITOR).audit.ListEvents(ListEventsRequest(kinds=kinds))
    return [dict(event.detail) for event in answer.events[::-1]]


async def told_so_often(server: Running, count: int, *kinds: str) -> list[dict[str, str]]:
    """The same, once there are so many."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found := await told(server, *kinds)) < count:  # noqa: ASYNC110 - the log is another's
            await asyncio.sleep(0.1)
    return found


async def switch(installation: Installation) -> str:
    """Run `linecert-server issuer switch device`, and return what it prints."""
    command = [LINECERT_SERVER, "issuer", "switch", "device", "--config", str(installation.config)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_switch_by_command_under_load(installation: Installation) -> None:
    """The issuer is made, staged and switched while a server runs: every call succeeds, and old answers stay."""
    old = sha256(installation.chain()[0])
    with process(installation) as server:
        load = Load()
        async with load.on(server):
            await load.goes_on()
            new = add_issuer(installation)
            stage(installation)
            assert (await logged(server, "reloaded"))["file"] == "settings"
            await load.goes_on()
            assert load.issuers == [old]
            assert f"{NEXT} signs for device in place of issuer." in await switch(installation)
            line = await logged(server, "issuer switched")
            assert (line["profile"], line["issuer"], line["before"]) == ("device", NEXT, "issuer")
            await load.goes_on()
        assert load.issuers == [old, sha256(new)]
        station = server.caller()
        for request, first in load.answered:
            again = await station.sign(request, timeout=CALL_SECONDS)
            assert (again.replayed, again.issued, again.chain) == (True, first.issued, first.chain)
            issuer = x509.load_der_x509_certificate(first.chain.intermediates[0])
            leaf(first.issued).verify_directly_issued_by(issuer)
        (event,) = await told_so_often(server, 1, "issuer_switched")
        assert (event["old_issuer_certificate_sha256"], event["new_issuer_certificate_sha256"]) == (old, sha256(new))
        changed = await told(server, "profile_changed")
        assert [one.get("fields") for one in changed] == [None, "next_issuer", "issuer,next_issuer"]
        assert f'linecert_profile_issuer{{issuer="{NEXT}",profile="device"}} 1.0' in server.scrape().splitlines()
        await server.close_callers()
        assert server.terminate() == 0
    audit_log.verified(installation)


async def test_several_servers_switch_by_their_clocks_and_one_says_so(tmp_path: Path) -> None:
    """One event, however many servers and restarts; no call fails at either server."""
    async with fleet(tmp_path, 2, new_postgresql_store()) as servers:
        first, second = (server.installation for server in servers)
        new = add_issuer(first)
        copy_issuer(first, second)
        load = Load()
        async with load.on(*servers):
            await load.goes_on()
            at = datetime.now(UTC) + timedelta(seconds=8)
            for installation in (first, second):
                stage(installation, at=at)
            for server in servers:
                await logged(server, "issuer switched")
            await load.goes_on()
            late = [await server.caller().sign(ask(f"late-{server.pid}"), timeout=CALL_SECONDS) for server in servers]
            assert {one.issued.issuer_certificate_sha256 for one in late} == {sha256(new)}
        await told_so_often(servers[0], 1, "issuer_switched")
        await drain(servers)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        assert len(await told(servers[0], "issuer_switched")) == 1
        await drain(servers)
    audit_log.verified(servers[0].installation)


async def test_what_cannot_be_put_in_force_leaves_all_as_it_is(installation: Installation) -> None:
    """A broken file, an issuer that cannot be opened, a profile that a station needs: each said, nothing changed."""
    add_issuer(installation)
    good = installation.config.read_text()
    key = installation.layout.pki / f"{NEXT}.key.pem"
    away = key.rename(key.with_name("away"))
    issuer = '\nissuer = "issuer"\n'
    broken = {
        good.replace(issuer, '\nissuer = "nobody"\n'): "profiles.device.issuer names no issuer",
        good.replace(issuer, f'\nissuer = "issuer"\nnext_issuer = "{NEXT}"\n'): f"{NEXT}.key.pem",
        good.replace("[profiles.device]", "[profiles.gateway]"): "profiles.device is gone, and stations may use it",
    }
    with process(installation) as server:
        station = server.caller()
        for number, (text, problem) in enumerate(broken.items()):
            assert text != good
            seen = len(server.lines)
            installation.config.write_text(text)
            os.kill(server.pid, signal.SIGHUP)
            failed = await logged(server, "reload failed", seen)
            assert failed["file"] == "settings"
            assert problem in failed["problem"]
            response = await station.sign(ask(f"device-{number}"), timeout=CALL_SECONDS)
            assert response.issued.issuer_certificate_sha256 == sha256(installation.chain()[0])
        assert 'linecert_reload_failed{file="settings"} 1.0' in server.scrape().splitlines()
        away.rename(key)
        seen = len(server.lines)
        stage(installation_with(installation, good))
        os.kill(server.pid, signal.SIGHUP)
        await logged(server, "reloaded", seen)
        await until(lambda: f'linecert_issuer_not_after_timestamp_seconds{{issuer="{NEXT}"}}' in server.scrape())
        assert 'linecert_reload_failed{file="settings"} 0.0' in server.scrape().splitlines()
        await server.close_callers()


async def test_what_waits_for_a_restart_is_said(installation: Installation) -> None:
    """A new profile and its station work at once; another address, and another key of an open issuer, wait."""
    with process(installation) as server:
        text = installation.config.read_text()
        text = text.replace("reflection = true", "reflection = false")
        text = text.replace('passphrase_file = "pki/issuer.passphrase"', 'passphrase_file = "pki/elsewhere"')
        gateway = '[profiles.gateway]\nissuer = "issuer"\nvalidity = "1y"\n\n[profiles.device]'
        installation.config.write_text(text.replace("[profiles.device]", gateway))
        installation.edit('profiles = ["device"]', 'profiles = ["gateway"]', file="stations.toml")
        os.kill(server.pid, signal.SIGHUP)
        assert (await logged(server, "restart needed"))["settings"] == ["server", "issuers.issuer"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await profile_of(server) != "gateway":  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.1)
        await server.close_callers()


async def profile_of(server: Running) -> str:
    """The only profile that station-01 may ask for."""
    answer = await server.caller().signing.GetIssuers(GetIssuersRequest())
    return ",".join(profile.name for profile in answer.profiles)


def installation_with(installation: Installation, text: str) -> Installation:
    """The installation, with these settings."""
    installation.config.write_text(text)
    return installation
