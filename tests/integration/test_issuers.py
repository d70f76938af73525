"""Several issuers: profiles that name theirs, one that follows another at a set time, and what stays as it was."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linecert.v1.audit_pb2 import GetIssuedCertificateRequest, ListEventsRequest
from linecert.v1.signing_pb2 import BatchSignDevicesRequest, GetIssuersRequest, SignDeviceRequest, SignDeviceResponse
from support import audit_log
from support.clocks import SettableClock
from support.installations import Installation
from support.rollover import NEXT, add_issuer, stage
from support.server import AUDITOR, Caller, Running, ask, leaf, refused, serving
from support.waiting import PATIENCE_SECONDS

HOUR = 3600
KINDS = ("issuer_switched", "profile_changed")


def sha256(certificate: x509.Certificate) -> str:
    """How answers name an issuer."""
    return certificate.fingerprint(hashes.SHA256()).hex()


async def events(server: Running) -> list[tuple[str, dict[str, Any]]]:
    """What the log says of profiles, oldest first: kind and detail."""
    answer = await server.caller(AUDITOR).audit.ListEvents(ListEventsRequest(kinds=KINDS))
    return [(event.kind, dict(event.detail)) for event in answer.events[::-1]]


async def announced(caller: Caller) -> tuple[list[str], dict[str, str]]:
    """The chains that are announced, and the issuer of each profile."""
    answer = await caller.signing.GetIssuers(GetIssuersRequest())
    chains = [chain.issuer_certificate_sha256 for chain in answer.chains]
    return chains, {profile.name: profile.issuer_certificate_sha256 for profile in answer.profiles}


async def until_told(server: Running, count: int) -> None:
    """Wait until the log tells so much of profiles."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await events(server)) < count:  # noqa: ASYNC110 - the log is another's
            await asyncio.sleep(0.05)


def metric(server: Running, line: str) -> bool:
    """Whether a line of the metrics reads so."""
    return f"linecert_{line}" in server.scrape().splitlines()


class TestTwoProductLines:
    """Two profiles with an issuer each: one EC, one RSA."""

    @pytest.fixture
    def installation(self, installation: Installation) -> Installation:
        """The profile `gateway` has an RSA issuer, and station-01 may ask for both profiles."""
        add_issuer(installation, "gateways", "rsa-3072")
        gateway = '[profiles.gateway]\nissuer = "gateways"\nvalidity = "2y"\n\n'
        installation.edit("[profiles.device]\n", f"{gateway}[profiles.device]\n")
        both = 'profiles = ["device", "gateway"]\ndefault_profile = "device"'
        installation.edit('profiles = ["device"]', both, file="stations.toml")
        return installation

    async def test_one_batch_gets_certificates_of_both(self, server: Running, station: Caller) -> None:
        """Each by its profile's issuer and below its chain; both chains stand in the answer."""
        requests = [ask(f"device-{number}", profile=("device", "gateway")[number % 2]) for number in range(20)]
        answer = await station.signing.BatchSignDevices(BatchSignDevicesRequest(requests=requests))
        chains = {chain.issuer_certificate_sha256: chain for chain in answer.chains}
        assert len(chains) == 2
        for number, result in enumerate(answer.results):
            response = SignDeviceResponse(
                issued=result.response.issued, chain=chains[result.response.issued.issuer_certificate_sha256]
            )
            assert response.issued.registration_id == f"device-{number}"
            issuer = x509.load_der_x509_certificate(response.chain.intermediates[0])
            kind = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)[number % 2]
            assert isinstance(issuer.public_key(), kind)
            leaf(response.issued).verify_directly_issued_by(issuer)
            issuer.verify_directly_issued_by(x509.load_der_x509_certificate(response.chain.root))
        chain_names, profiles = await announced(station)
        assert set(chain_names) == set(profiles.values()) == set(chains)
        assert metric(server, 'profile_issuer{issuer="gateways",profile="gateway"} 1.0')
        issued = (
            'issued_certificates_total{issuer="gateways",line="line-01",profile="gateway",station="station-01"} 10.0'
        )
        assert metric(server, issued)
        audit_log.verified(server.installation)

    async def test_a_profile_is_told_to_the_log_as_a_whole(self, server: Running) -> None:
        """At the first start both are new."""
        told = await events(server)
        assert [(kind, detail["profile"], detail["change"]) for kind, detail in told] == [
            ("profile_changed", "gateway", "added"),
            ("profile_changed", "device", "added"),
        ]


class TestSwitchAtATime:
    """The profile `device` has another issuer from an hour after the start on."""

    @pytest.fixture
    def clock(self) -> SettableClock:
        """The server's."""
        return SettableClock()

    @pytest.fixture
    def following(self, installation: Installation) -> x509.Certificate:
        """The certificate of the issuer that follows."""
        certificate = add_issuer(installation)
        stage(installation, at=datetime.now(UTC) + timedelta(seconds=HOUR))
        return certificate

    @pytest.fixture
    async def server(
        self, installation: Installation, following: x509.Certificate, clock: SettableClock
    ) -> AsyncIterator[Running]:
        """A server whose clock can be set."""
        assert following
        async with serving(installation, clock) as running:
            yield running

    async def test_the_switch_is_at_its_time(
        self, server: Running, station: Caller, following: x509.Certificate, clock: SettableClock
    ) -> None:
        """Announced before, in force from then on, an event once, and the metrics follow."""
        old, new = sha256(server.installation.chain()[0]), sha256(following)
        assert await announced(station) == ([old, new], {"device": old})
        assert metric(server, f'profile_next_issuer{{issuer="{NEXT}",profile="device"}} 1.0')
        request = ask("device-01")
        first = await station.sign(request)
        assert first.issued.issuer_certificate_sha256 == old

        clock.passed = HOUR + 1
        second = await station.sign(ask("device-02"))
        assert second.issued.issuer_certificate_sha256 == second.chain.issuer_certificate_sha256 == new
        leaf(second.issued).verify_directly_issued_by(following)
        assert await announced(station) == ([new], {"device": new})
        # An auditor verifies with it what was issued before.
        assert await announced(server.caller(AUDITOR)) == ([new, old], {"device": new})
        await until_told(server, 2)
        assert (await events(server))[1] == (
            "issuer_switched",
            {
                "profile": "device",
                "issuer": NEXT,
                "old_issuer_certificate_sha256": old,
                "new_issuer_certificate_sha256": new,
            },
        )
        assert metric(server, f'profile_issuer{{issuer="{NEXT}",profile="device"}} 1.0')
        assert not metric(server, 'profile_issuer{issuer="issuer",profile="device"} 1.0')
        audit_log.verified(server.installation)

    async def test_what_was_issued_before_keeps_its_chain(
        self, station: Caller, following: x509.Certificate, clock: SettableClock
    ) -> None:
        """Replays are byte-equal, look-ups return the old chain, and a mixed batch has both chains."""
        requests = [ask(f"device-{number}") for number in range(3)]
        firsts = [await station.sign(request) for request in requests]
        clock.passed = HOUR + 1
        for request, first in zip(requests, firsts, strict=True):
            again = await station.sign(request)
            assert again.replayed
            assert (again.issued, again.chain) == (first.issued, first.chain)
        by_key = SignDeviceRequest()
        by_key.CopyFrom(requests[0])
        by_key.request_id = str(uuid.uuid4())
        assert (await station.sign(by_key)).issued.certificate == firsts[0].issued.certificate
        found = await station.audit.GetIssuedCertificate(
            GetIssuedCertificateRequest(serial_number=firsts[0].issued.serial_number)
        )
        assert found.chain == firsts[0].chain
        batch = BatchSignDevicesRequest(requests=[*requests, ask("new")])
        answer = await station.signing.BatchSignDevices(batch)
        old = firsts[0].chain.issuer_certificate_sha256
        assert [chain.issuer_certificate_sha256 for chain in answer.chains] == [old, sha256(following)]
        assert [result.response.replayed for result in answer.results] == [True, True, True, False]

    async def test_a_clock_that_was_set_does_not_switch(
        self, server: Running, station: Caller, clock: SettableClock
    ) -> None:
        """A jump over the time is no passing of it: nothing is issued, and nothing is told."""
        clock.stepped = HOUR + 1
        assert (await refused(station.sign(ask()))).reason == "CLOCK_UNTRUSTED"
        clock.stepped = 0
        assert (await station.sign(ask())).issued.issuer_certificate_sha256 == sha256(server.installation.chain()[0])
        assert [kind for kind, _ in await events(server)] == ["profile_changed"]

    async def test_a_restart_after_the_switch_tells_nothing_anew(
        self, installation: Installation, following: x509.Certificate, clock: SettableClock
    ) -> None:
        """The key of the issuer before is not needed any more; what it issued is still answered with its chain."""
        request = ask("device-01")
        async with serving(installation, clock) as server:
            first = await server.caller().sign(request)
        clock.passed = HOUR + 1
        (installation.layout.pki / "issuer.key.pem").unlink()
        for _ in range(2):
            async with serving(installation, clock) as server:
                station = server.caller()
                again = await station.sign(request)
                assert (again.replayed, again.issued, again.chain) == (True, first.issued, first.chain)
                assert (await announced(station))[0] == [sha256(following)]
                told = await events(server)
        assert [kind for kind, _ in told] == ["profile_changed", "issuer_switched"]


async def test_a_change_made_while_no_server_ran_is_told(installation: Installation) -> None:
    """The log is compared with the settings at the start."""
    async with serving(installation):
        pass
    installation.edit('backdate = "5m"', 'backdate = "10m"')
    async with serving(installation) as server:
        told = await events(server)
    assert [(detail["change"], detail.get("fields")) for _, detail in told] == [
        ("added", None),
        ("changed", "backdate"),
    ]
