"""Reading `linecert.toml` anew: what is taken over, what waits, and that nothing is left open when it fails."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, trust
from linecert_service.installation.trust import IssuerFiles, Trust
from linecert_service.policy.identity import StationCas
from linecert_service.reloading.profiles import ProfileMaker, Renewal, SettingsReader
from support.installations import Installation, make_installation
from support.rollover import NEXT, add_issuer, stage


@dataclass
class Scene:
    """A server's settings as it started with them, and what reads them anew.

    Attributes:
        added: the issuers that the store was told of.
        fault: what the store raises.
    """

    installation: Installation
    trusted: Trust
    added: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self.settings = self.installation.settings()
        self.stations = self.installation.stations()
        self._reader = SettingsReader(ProfileMaker(), self._add_issuer, self.settings, self.trusted)

    def read(self) -> Renewal:
        """Read anew, and have that in force."""
        renewal = self._reader.read(self.settings, self.trusted, self.stations, time.time())
        self.settings, self.trusted = renewal.settings, renewal.trusted
        return renewal

    def _add_issuer(self, name: str, _chain: Sequence[x509.Certificate]) -> None:
        if self.fault:
            raise self.fault
        self.added.append(name)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """What `init` makes, opened."""
    installation = make_installation(tmp_path / "linecert")
    scene = Scene(installation, trust.check(installation.settings(), time.time()))
    yield scene
    scene.trusted.close()


def test_a_staged_issuer_is_opened_and_told_to_the_store_once(scene: Scene) -> None:
    """The one before stays the same object: what is under way signs with it."""
    before = scene.read().profiles["device"].issuer
    add_issuer(scene.installation)
    assert scene.read().opened == ()
    stage(scene.installation)
    renewal = scene.read()
    assert (renewal.opened, scene.added) == ((NEXT,), [NEXT])
    device = renewal.profiles["device"]
    assert device.issuer is before
    assert device.following is not None
    assert device.following.issuer.name == NEXT
    again = scene.read()
    assert again.opened == ()
    assert again.profiles["device"].following is not device.following
    assert again.trusted.issuers[NEXT] is renewal.trusted.issuers[NEXT]


def test_what_is_not_taken_over_is_named(scene: Scene) -> None:
    """Other sections, and the section of an issuer that is open; what is in force there stays."""
    scene.installation.edit("reflection = true", "reflection = false")
    scene.installation.edit('chain = "pki/issuer.chain.pem"', 'chain = "pki/other.pem"')
    scene.installation.edit('validity = "5y"', 'validity = "1y"')
    renewal = scene.read()
    assert renewal.waiting == ("server", "issuers.issuer")
    assert renewal.settings.server.reflection
    assert renewal.settings.issuers["issuer"].chain.name == "issuer.chain.pem"
    assert renewal.profiles["device"].validity == 365 * 86_400


def test_an_issuer_that_the_store_does_not_take_is_closed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened anew at the next attempt."""
    closed: list[str] = []
    load = chains.load_issuer

    def loaded(name: str, *arguments: object) -> IssuerFiles:
        files = load(name, *arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(type(files.signer), "close", lambda _self: closed.append(name))
        return files

    monkeypatch.setattr(trust, "load_issuer", loaded)
    add_issuer(scene.installation)
    stage(scene.installation)
    scene.fault = ConfigurationError("another chain")
    with pytest.raises(ConfigurationError, match="another chain"):
        scene.read()
    assert closed == [NEXT]
    scene.fault = None
    assert scene.read().opened == (NEXT,)
    assert closed == [NEXT]


def test_an_issuer_below_a_station_ca_is_refused(scene: Scene) -> None:
    """As at a start: its devices could pass for stations."""
    root = scene.installation.chain()[-1]
    scene.trusted = dataclasses.replace(scene.trusted, station_cas=StationCas([root]))
    add_issuer(scene.installation)
    stage(scene.installation)
    with pytest.raises(ConfigurationError, match="a device certificate could pass for a station's"):
        scene.read()
