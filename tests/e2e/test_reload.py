"""Files that change under a running server process: what is in force, and that no call is dropped."""

import asyncio
import contextlib
import hashlib
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from linecert.v1.audit_pb2 import ListEventsRequest
from linecert_service.installation import change_station, server_certificate
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.policy.identity import fingerprint
from support import csrs
from support.credentials import another_ca, issue
from support.installations import Installation
from support.server import AUDITOR, STATION, Caller, ServerProcess, ask, device_key, events_of, process, refused

SECONDS = 30
FILES = ("stations", "client_ca", "tls_certificate", "own_keys")


class Site:
    """A server process and the files that it watches."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.installation = server.installation

    async def hang_up(self) -> list[dict[str, Any]]:
        """Send SIGHUP, and return what the log says when all files were read."""
        seen = len(self.server.lines)
        self.ask()
        return await self.reloads(seen, {*FILES})

    def ask(self) -> None:
        """Send SIGHUP."""
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGHUP)

    async def reloads(self, seen: int, files: set[str]) -> list[dict[str, Any]]:
        """The log's lines on reloads after the first `seen`, once they tell of all `files`."""
        async with asyncio.timeout(SECONDS):
            while True:
                events = events_of(self.server.lines[seen:])
                told = [event for event in events if event["event"] in {"reloaded", "reload failed"}]
                if {event["file"] for event in told} >= files:
                    return told
                await asyncio.sleep(0.05)

    def edit(self, old: str, new: str, file: str = "stations.toml") -> None:
        """Change one of the files as an editor does: a new one takes its place."""
        path = self.installation.folder / file
        before = path.read_text()
        assert old in before
        beside = path.with_name("edited")
        beside.write_text(before.replace(old, new, 1))
        beside.rename(path)

    def metric(self, line: str) -> bool:
        """Whether a line of the metrics reads so."""
        return f"linecert_{line}" in self.server.scrape().splitlines()

    async def changes(self, station: str, count: int) -> list[tuple[str, str]]:
        """What the log says of a station, once it says so much, oldest first: the change and its fields."""
        request = ListEventsRequest(kinds=["station_changed"], station=station)
        auditor = self.server.caller(AUDITOR)
        async with asyncio.timeout(SECONDS):
            while True:
                answer = await auditor.audit.ListEvents(request)
                if len(answer.events) >= count:
                    return [(event.detail["change"], event.detail.get("fields", "")) for event in answer.events[::-1]]
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(installation: Installation) -> AsyncIterator[Site]:
    """A running server process whose list of denied keys is still to come."""
    with process(installation) as server:
        yield Site(server)
        await server.close_callers()


def failures(told: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The files that failed, each with its problem. A look that had begun before SIGHUP may tell of it, too."""
    return {(event["file"], event["problem"]) for event in told if event["event"] == "reload failed"}


async def works(caller: Caller, device: str) -> None:
    """Hold a caller to be served."""
    assert (await caller.sign(ask(device))).issued.registration_id == device


async def reason(caller: Caller) -> str:
    """Why a caller is refused."""
    return (await refused(caller.sign(ask("refused")))).reason


async def test_a_station_that_is_taken_out_is_refused_on_its_open_connection(site: Site) -> None:
    """From the next call on; `enabled`, `valid_until` and `revoked_serials` likewise, each back when it is undone."""
    station = site.server.caller()
    await works(station, "device-0")
    serial = f"{site.installation.peer(STATION).serial:x}"
    cases = {
        ('name = "station-01"', 'name = "station-01"\nenabled = false'): "CALLER_DISABLED",
        ('name = "station-01"', 'name = "station-01"\nvalid_until = 2020-01-01'): "CALLER_DISABLED",
        ('name = "station-01"', f'name = "station-01"\nrevoked_serials = ["{serial}"]'): "CALLER_CERTIFICATE_REVOKED",
        (":station:station-01", ":station:somebody"): "CALLER_UNKNOWN",
    }
    for number, ((old, new), expected) in enumerate(cases.items(), start=1):
        site.edit(old, new)
        await site.hang_up()
        assert await reason(station) == expected
        site.edit(new, old)
        await site.hang_up()
        await works(station, f"device-{number}")
    fields = ["enabled", "valid_until", "revoked_serials", "identity"]
    expected_changes = [("added", ""), *(("changed", field) for field in fields for _ in range(2))]
    assert await site.changes(STATION, len(expected_changes)) == expected_changes


async def test_a_change_is_noticed_without_a_signal(site: Site) -> None:
    """`station add` and `disable` are enough; the new station's key is refused as a device's."""
    seen = len(site.server.lines)
    settings = site.installation.settings()
    folder = add_station(settings, AddOptions("ict-07", line="line-07"), datetime.now(UTC))
    await site.reloads(seen, {"stations", "own_keys"})
    station = site.server.caller("ict-07")
    await works(station, "device-01")
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert (await refused(site.server.caller().sign(ask("thief", key=key)))).reason == "PUBLIC_KEY_TAKEN"
    seen = len(site.server.lines)
    change_station.set_enabled(settings, "ict-07", enabled=False)
    await site.reloads(seen, {"stations"})
    assert await reason(station) == "CALLER_DISABLED"


async def test_a_station_is_locked_out_while_the_settings_are_still_being_read(site: Site) -> None:
    """Reading them may open a key in a vault that does not answer; here they come from a pipe that is empty."""
    station, seen = site.server.caller(), len(site.server.lines)
    await works(station, "device-01")
    with _hanging(site.installation):
        site.edit('name = "station-01"', 'name = "station-01"\nenabled = false')
        site.ask()
        told = await site.reloads(seen, {"stations"})
        assert "settings" not in {event["file"] for event in told}
        assert await reason(station) == "CALLER_DISABLED"
    assert not failures(await site.reloads(seen, {"settings"}))


@contextlib.contextmanager
def _hanging(installation: Installation) -> Iterator[None]:
    """Who reads linecert.toml waits until the block ends."""
    path = installation.config
    text, beside = path.read_text(), path.with_name("beside")
    os.mkfifo(beside)
    beside.rename(path)
    try:
        yield
    finally:
        pipe = os.open(path, os.O_RDWR)
        beside.write_text(text)
        beside.rename(path)
        os.write(pipe, text.encode())
        os.close(pipe)


async def test_a_broken_file_keeps_the_old_one_in_force(site: Site) -> None:
    """One ERROR line names file, line and what to do; the metric stands until the file is right again."""
    station = site.server.caller()
    assert site.metric('reload_failed{file="stations"} 0.0')
    site.edit('roles = ["auditor"]', 'rolls = ["auditor"]')
    line = site.installation.layout.stations.read_text().splitlines().index('rolls = ["auditor"]') + 1
    told = await site.hang_up()
    assert {event["level"] for event in told if event["event"] == "reload failed"} == {"error"}
    ((file, problem),) = failures(told)
    assert file == "stations"
    assert f"stations.toml:{line}: stations[2].rolls: is no setting of linecert" in problem
    assert "correct its name or remove it" in problem
    assert site.metric('reload_failed{file="stations"} 1.0')
    assert not site.metric('reloads_total{file="stations",outcome="failed"} 0.0')
    await works(station, "device-01")
    await site.server.caller(AUDITOR).audit.ListEvents(ListEventsRequest())
    site.edit('rolls = ["auditor"]', 'roles = ["auditor"]')
    await site.hang_up()
    assert site.metric('reload_failed{file="stations"} 0.0')


async def test_a_file_that_is_gone_for_a_moment_locks_nobody_out(site: Site) -> None:
    """A file that is not there is a broken one, not an empty one."""
    path = site.installation.layout.stations
    away = path.rename(path.with_name("away"))
    await site.hang_up()
    assert site.metric('reload_failed{file="stations"} 1.0')
    await works(site.server.caller(), "device-01")
    away.rename(path)
    await site.hang_up()
    assert site.metric('reload_failed{file="stations"} 0.0')


async def test_no_call_is_dropped_while_files_are_read(site: Site) -> None:
    """Calls on open and on new connections go on through many reloads."""
    station = site.server.caller()
    hanging_up = asyncio.ensure_future(_many_times(site))
    number = 0
    while not hanging_up.done():
        await works(station, f"open-{number}")
        await works(site.server.caller(), f"new-{number}")
        number += 1
    await hanging_up
    assert number


async def _many_times(site: Site) -> None:
    for _ in range(10):
        await site.hang_up()


async def test_a_new_station_ca_is_accepted_and_an_old_one_given_up(site: Site) -> None:
    """Connections of the old CA's stations end with it, also those that are open."""
    old, new = site.installation.station_ca().certificate, another_ca("station CA 2")
    open_one = site.server.caller()
    await works(open_one, "device-01")
    stranger = issue(new)
    assert (await refused(site.server.stranger(stranger).sign(ask()))).status == "UNAVAILABLE"

    site.edit("identity = {kind", f'identity = {{ca = "{fingerprint(new.certificate)}", kind')
    ((_, problem),) = failures(await site.hang_up())
    assert "add it there" in problem
    client_ca = site.installation.layout.pki / "station-ca.pem"
    both = client_ca.read_bytes() + new.certificate.public_bytes(Encoding.PEM)
    client_ca.write_bytes(both)
    # The other entries need a `ca` now, too.
    ((file, problem),) = failures(await site.hang_up())
    assert file == "stations"
    assert "needs ca" in problem
    await works(open_one, "device-of-the-old-ca")
    site.installation.edit("identity = {kind", f'identity = {{ca = "{fingerprint(old)}", kind', file="stations.toml")
    assert {event["event"] for event in await site.hang_up()} == {"reloaded"}
    await works(site.server.stranger(stranger), "device-02")
    assert await reason(open_one) == "CALLER_UNKNOWN"
    await site.server.caller(AUDITOR).audit.ListEvents(ListEventsRequest())

    auditor = site.server.caller(AUDITOR)
    await auditor.audit.ListEvents(ListEventsRequest())
    stations = site.installation.layout.stations
    stations.write_text(stations.read_text().replace(fingerprint(old), fingerprint(new.certificate)))
    client_ca.write_bytes(new.certificate.public_bytes(Encoding.PEM))
    assert {event["event"] for event in await site.hang_up()} == {"reloaded"}
    assert (await refused(auditor.audit.ListEvents(ListEventsRequest()))).reason == "CALLER_UNKNOWN"
    assert (await refused(site.server.caller(AUDITOR).audit.ListEvents(ListEventsRequest()))).status == "UNAVAILABLE"


async def test_a_ca_that_is_taken_out_is_given_up_though_entries_name_it(site: Site) -> None:
    """Its callers are refused on their open connections; those of the other CA go on, and follow `stations.toml`."""
    old, new = site.installation.station_ca().certificate, another_ca("station CA 2")
    client_ca = site.installation.layout.pki / "station-ca.pem"
    client_ca.write_bytes(client_ca.read_bytes() + new.certificate.public_bytes(Encoding.PEM))
    site.installation.edit("identity = {kind", f'identity = {{ca = "{fingerprint(old)}", kind', file="stations.toml")
    site.edit(f'ca = "{fingerprint(old)}"', f'ca = "{fingerprint(new.certificate)}"')
    assert not failures(await site.hang_up())
    moved, auditor = site.server.stranger(issue(new)), site.server.caller(AUDITOR)
    await works(moved, "device-01")
    await auditor.audit.ListEvents(ListEventsRequest())

    client_ca.write_bytes(new.certificate.public_bytes(Encoding.PEM))
    ((file, problem),) = failures(await site.hang_up())
    assert file == "stations"
    assert "no certificate of the client CA file: add it there, or take the entry out" in problem
    assert site.metric('reload_failed{file="stations"} 1.0')
    assert (await refused(auditor.audit.ListEvents(ListEventsRequest()))).reason == "CALLER_UNKNOWN"
    assert (await refused(site.server.caller(AUDITOR).audit.ListEvents(ListEventsRequest()))).status == "UNAVAILABLE"
    await works(moved, "device-02")

    # What is changed before the files fit again is in force, too.
    site.edit('name = "station-01"', 'name = "station-01"\nenabled = false')
    assert failures(await site.hang_up())
    assert await reason(moved) == "CALLER_DISABLED"
    site.edit("enabled = false", "enabled = true")
    stations = site.installation.layout.stations
    stations.write_text(stations.read_text().replace(fingerprint(old), fingerprint(new.certificate)))
    assert not failures(await site.hang_up())
    assert site.metric('reload_failed{file="stations"} 0.0')
    await works(moved, "device-03")


async def test_an_issuer_of_devices_does_not_become_a_client_ca(site: Site) -> None:
    """What `serve` refuses at its start is refused later: a device could pass for a station."""
    with (site.installation.layout.pki / "station-ca.pem").open("ab") as file:
        file.write(site.installation.chain()[-1].public_bytes(Encoding.PEM))
    ((file, problem),) = failures(await site.hang_up())
    assert file == "client_ca"
    assert "a device certificate could pass for a station's" in problem
    await works(site.server.caller(), "device-01")
    # A fault in that file keeps nobody in who was taken out of the other one.
    site.edit('name = "station-01"', 'name = "station-01"\nenabled = false')
    await site.hang_up()
    assert await reason(site.server.caller()) == "CALLER_DISABLED"


async def test_the_servers_certificate_is_renewed_live(site: Site) -> None:
    """New connections see the new one, the metric follows it, and open connections go on."""
    station = site.server.caller()
    await works(station, "device-01")
    settings = site.installation.settings()
    renewed = server_certificate.renew(settings, ["line-ca.example"], datetime.now(UTC))
    await site.hang_up()
    assert await _shown(site) == renewed.fingerprint(hashes.SHA256())
    end = renewed.not_valid_after_utc.timestamp()
    text = site.server.scrape()
    (line,) = (line for line in text.splitlines() if line.startswith("linecert_server_certificate_not_after"))
    assert float(line.split()[1]) == end
    await works(station, "device-02")
    await works(site.server.caller(), "device-03")


async def test_a_certificate_without_its_key_is_not_shown(site: Site) -> None:
    """The pair before stays until both are there."""
    before = await _shown(site)
    key = site.installation.layout.pki / "server.key.pem"
    key.write_bytes((site.installation.layout.client(STATION) / "key.pem").read_bytes())
    ((file, problem),) = failures(await site.hang_up())
    assert file == "tls_certificate"
    assert "does not belong to" in problem
    assert await _shown(site) == before
    await works(site.server.caller(), "device-01")


async def _shown(site: Site) -> bytes:
    """SHA-256 of the certificate that the server shows in a new handshake."""
    folder = site.installation.layout.client(STATION)
    context = ssl.create_default_context(cafile=str(site.installation.layout.server_ca))
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2"])
    host, _, port = site.server.target.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return hashlib.sha256(certificate).digest()


async def test_the_deny_list_is_read_anew(installation: Installation) -> None:
    """A key that becomes known as leaked is refused from then on; a broken list keeps the one before."""
    path = installation.folder / "denied-keys.txt"
    path.write_text("# none yet\n")
    installation.edit('# denied_keys = "denied-keys.txt"', 'denied_keys = "denied-keys.txt"')
    with process(installation) as server:
        site = Site(server)
        station = server.caller()
        await station.sign(ask("leaked", validate_only=True))
        path.write_text(f"{hashlib.sha256(csrs.spki_of(device_key('leaked'))).hexdigest()}  # leaked\n")
        assert {event["file"] for event in await site.reloads(0, {"denied_keys"})} == {"denied_keys"}
        assert (await refused(station.sign(ask("leaked")))).reason == "PUBLIC_KEY_WEAK"
        path.write_text("nonsense\n")
        ((_, problem),) = failures([event for event in await site.hang_up() if event["file"] == "denied_keys"])
        assert "denied-keys.txt, line 1" in problem
        assert (await refused(station.sign(ask("leaked")))).reason == "PUBLIC_KEY_WEAK"
        await works(station, "another")
        await server.close_callers()


async def test_what_was_changed_while_the_server_was_down_is_an_event(site: Site) -> None:
    """An auditor sees it, and a restart without a change is none."""
    for _ in range(2):
        assert site.server.terminate() == 0
        site.server.start()
    assert site.server.terminate() == 0
    change_station.set_enabled(site.installation.settings(), STATION, enabled=False)
    site.server.start()
    assert await site.changes(STATION, 2) == [("added", ""), ("changed", "enabled")]
