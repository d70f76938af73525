"""Who is let in, and who is not: each kind of certificate that must not work, against a real server process.

Beside refusing, each case must leave nothing in the log of issued certificates, and nothing private in the service's.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from linecert_service.installation.authorities import Authority
from linecert_service.installation.chains import subject
from support import audit_log, csrs
from support.credentials import (
    STATION_URI,
    another_ca,
    as_authority,
    below,
    issue,
    of_authority,
    of_device,
    of_names,
)
from support.installations import NAME, Installation
from support.server import (
    AUDITOR,
    STATION,
    Credential,
    Refusal,
    ServerProcess,
    ask,
    chain_pem,
    installation_at,
    refused,
)
from support.server import process as server_process

HANDSHAKE: Final = ("UNAVAILABLE", "", "")
"""gRPC ends the handshake: the caller sees a connection that fails, and no reason of ours."""
UNKNOWN: Final = ("PERMISSION_DENIED", "CALLER_UNKNOWN", "call_operator")
REVOKED: Final = ("PERMISSION_DENIED", "CALLER_CERTIFICATE_REVOKED", "call_operator")

STRANGERS_NAME: Final = "swordfish"
"""Stands in certificates of strangers, and nowhere else."""
AUDITOR_URI: Final = f"urn:linecert:{NAME}:auditor:{AUDITOR}"
DAY: Final = timedelta(days=1)


class Site:
    """An installation with two station CAs: its own, and a company's that may have CAs below it.

    Attributes:
        installation: its files.
        company: the other CA.
        revoked: a certificate of station-01 whose serial number stands in `revoked_serials`.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        own = installation.station_cas().fingerprints[0]
        self.company = another_ca("company CA")
        with (installation.layout.pki / "station-ca.pem").open("ab") as file:
            file.write(self.company.certificate.public_bytes(Encoding.PEM))
        self.revoked = issue(installation.station_ca())
        serial = x509.load_pem_x509_certificate(self.revoked.certificate).serial_number
        path = installation.layout.stations
        text = path.read_text().replace('kind = "uri"', f'ca = "{own}", kind = "uri"')
        path.write_text(text.replace('roles = ["station"]', f'roles = ["station"]\nrevoked_serials = ["{serial:x}"]'))

    @property
    def ca(self) -> Authority:
        """The station CA of station-01."""
        return self.installation.station_ca()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The files of the module's server."""
    return Site(installation_at(tmp_path_factory.mktemp("callers") / "server"))


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[ServerProcess]:
    """One process for the module."""
    with server_process(site.installation) as running:
        yield running


def _below_a_caller(site: Site) -> Credential:
    """Signed by a station with its own key."""
    station = as_authority(issue(site.ca))
    return issue(station, chain=[station])


def _below(authority: Authority) -> Credential:
    """Signed by a CA that `authority` signed; both are shown."""
    between = below(authority)
    return issue(between, chain=[between])


def _of_the_server(site: Site) -> Credential:
    """The service's own certificate for TLS."""
    pki = site.installation.layout.pki
    return Credential((pki / "server.key.pem").read_bytes(), (pki / "server.pem").read_bytes())


CASES: dict[str, tuple[Callable[[Site], Credential | None], tuple[str, str, str]]] = {
    "no certificate": (lambda _site: None, HANDSHAKE),
    "expired": (lambda site: issue(site.ca, lifetime=-timedelta(minutes=1)), HANDSHAKE),
    "not yet valid": (lambda site: issue(site.ca, wait=DAY), HANDSHAKE),
    "another CA": (lambda _site: issue(another_ca(STRANGERS_NAME)), HANDSHAKE),
    "another CA with the chain": (lambda _site: _with_chain(another_ca(STRANGERS_NAME)), HANDSHAKE),
    "another CA of the right one's name": (
        lambda site: issue(another_ca(subject(site.ca.certificate).removeprefix("CN="))),
        HANDSHAKE,
    ),
    "self-signed with a known name": (lambda _site: of_authority(another_ca(STATION)), HANDSHAKE),
    "the root of devices": (lambda site: of_authority(site.installation.root()), HANDSHAKE),
    "of the root of devices": (lambda site: issue(site.installation.root()), HANDSHAKE),
    "below the root of devices": (lambda site: _below(site.installation.root()), HANDSHAKE),
    "of a caller": (_below_a_caller, HANDSHAKE),
    "the server's own": (_of_the_server, HANDSHAKE),
    "for servers only": (
        lambda site: of_names(
            site.ca, x509.UniformResourceIdentifier(STATION_URI), usage=ExtendedKeyUsageOID.SERVER_AUTH
        ),
        HANDSHAKE,
    ),
    # TLS lets these two in; that a station CA must have signed the certificate itself is our rule.
    "below a station CA that may have none": (lambda site: _below(site.ca), UNKNOWN),
    "below a station CA that may have some": (lambda site: _below(site.company), UNKNOWN),
    "the station CA itself": (lambda site: of_authority(site.ca), UNKNOWN),
    "the other station CA": (lambda site: issue(site.company), UNKNOWN),
    "an identity that is not listed": (lambda site: issue(site.ca, uri="urn:other"), UNKNOWN),
    "the name as common name": (lambda site: issue(site.ca, name=STATION_URI, uri="urn:other"), UNKNOWN),
    "the identity as DNS name": (lambda site: of_names(site.ca, x509.DNSName(STATION_URI)), UNKNOWN),
    "the identity in capitals": (lambda site: issue(site.ca, uri=STATION_URI.upper()), UNKNOWN),
    "the identity and more": (lambda site: issue(site.ca, uri=f"{STATION_URI}/x"), UNKNOWN),
    "two identities": (
        lambda site: of_names(site.ca, *map(x509.UniformResourceIdentifier, (STATION_URI, AUDITOR_URI))),
        UNKNOWN,
    ),
    "revoked": (lambda site: site.revoked, REVOKED),
}


def _with_chain(authority: Authority) -> Credential:
    return issue(authority, chain=[authority])


@pytest.mark.parametrize("case", CASES)
async def test_who_is_not_let_in(server: ServerProcess, site: Site, case: str) -> None:
    """The documented status and reason, and no trace in the log of what was issued."""
    make, expected = CASES[case]
    before = audit_log.verified(site.installation)
    stranger = server.stranger(make(site))
    refusal = await refused(stranger.sign(ask("stranger-01")))
    assert _told(refusal) == expected
    assert STRANGERS_NAME not in refusal.message
    await server.close_callers()
    after = audit_log.verified(site.installation)
    assert after.certificates == before.certificates
    assert [event.kind for event in after.events if event.kind == "rejected"] == []


def _told(refusal: Refusal) -> tuple[str, str, str]:
    return refusal.status, refusal.reason, refusal.action


async def test_a_device_is_no_station(server: ServerProcess, site: Site) -> None:
    """A certificate of this very service with a station's name is none of a caller, alone or with its chain."""
    key = csrs.key("P-256", number=1)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    response = await server.caller().sign(ask(STATION, key=key))
    chain = chain_pem(response)
    alone = chain[: chain.index(b"-----END CERTIFICATE-----\n")] + b"-----END CERTIFICATE-----\n"
    for shown in (alone, chain):
        refusal = await refused(server.stranger(of_device(key, shown)).sign(ask("device-02")))
        assert _told(refusal) == HANDSHAKE
    await server.close_callers()
    names = [record.registration_id for record in audit_log.verified(site.installation).certificates]
    assert names == [STATION]


async def test_the_right_one_is_let_in_and_the_log_holds_nothing_private(server: ServerProcess, site: Site) -> None:
    """The service works after all of them; it has told who was unknown, but no secret and no stranger's name."""
    await refused(server.stranger(issue(site.ca, uri="urn:unlisted")).sign(ask("device-03")))
    response = await server.caller().sign(ask("device-03"))
    assert response.issued.station == STATION
    await server.close_callers()
    async with asyncio.timeout(30):
        while not any("device-03" in line for line in list(server.lines)):  # noqa: ASYNC110 - a thread fills it
            await asyncio.sleep(0.05)
    log = "".join(server.lines)
    assert "urn:unlisted" in log
    assert STRANGERS_NAME not in log
    assert "PRIVATE" not in log
    assert "BEGIN CERTIFICATE" not in log
