"""`station add` and `server-certificate renew`: what they change, and what they leave alone."""

import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from linecert.v1.options_pb2 import ROLE_AUDITOR, ROLE_PLANNER, ROLE_STATION
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import files, own_keys, server_certificate, trust
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.installation.authorities import spki_sha256
from support.installations import NAME, Installation

NOW = datetime.now(UTC)


def test_a_new_station_is_admitted(installation: Installation) -> None:
    """Its credential and its entry fit together, under the line and the only profile."""
    folder = add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    assert folder == installation.layout.client("ict-07")
    peer = installation.peer("ict-07")
    station = installation.stations().admit(peer, NOW.timestamp())
    assert (station.name, station.line, station.roles) == ("ict-07", "line-3", {ROLE_STATION})
    assert station.profiles == ("device",)
    assert station.identity.value == f"urn:linecert:{NAME}:station:ict-07"


def test_its_key_is_for_its_owner_alone_and_refused_as_a_devices(installation: Installation) -> None:
    """The folder is 0700, the key 0600, and the hash is recorded."""
    folder = add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    assert spki_sha256(certificate.public_key()) in own_keys.read(installation.layout.own_keys)
    assert certificate.not_valid_after_utc == NOW.replace(microsecond=0) + timedelta(days=365)


def test_comments_and_entries_of_stations_toml_stay(installation: Installation) -> None:
    """The file is the old one, byte for byte, and the new entry behind it."""
    path = installation.layout.stations
    path.write_text(path.read_text() + "# a comment at the end\n")
    before = path.read_text()
    add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    after = path.read_text()
    assert after.startswith(before)
    assert after.removeprefix(before).startswith("\n[[stations]]\nname = ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_inline_list_of_stations_is_extended(installation: Installation) -> None:
    """However an operator wrote the file."""
    installation.layout.stations.write_text(
        'stations = [{ name = "a", line = "b", identity = { kind = "cn", value = "a" } }]\n'
    )
    add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    assert list(installation.stations().by_name) == ["a", "ict-07"]


def test_the_first_station_of_an_empty_file_is_added(installation: Installation) -> None:
    """A file of comments, or of nothing."""
    installation.layout.stations.write_text("")
    add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    assert list(installation.stations().by_name) == ["ict-07"]


def test_an_auditor_needs_no_line_and_gets_no_profile(installation: Installation) -> None:
    """It issues nothing. With two roles the first stands in the identity."""
    add_station(installation.settings(), AddOptions("qa", roles=("auditor", "planner")), NOW)
    station = installation.stations().by_name["qa"]
    assert station.roles == {ROLE_AUDITOR, ROLE_PLANNER}
    assert (station.line, station.profiles) == ("", ())
    assert station.identity.value == f"urn:linecert:{NAME}:auditor:qa"


def test_the_address_is_the_one_asked_for(installation: Installation) -> None:
    """A station on another machine does not call localhost."""
    options = AddOptions("ict-07", line="line-3", address="line-ca.example:8443")
    folder = add_station(installation.settings(), options, NOW)
    assert 'addresses = ["line-ca.example:8443"]' in (folder / "client.toml").read_text()


REFUSED = {
    "listed_name": (AddOptions("station-01", line="l"), "lists station-01 already"),
    "bad_name": (AddOptions("../x", line="l"), "NAME must be a name"),
    "bad_line": (AddOptions("x", line="a b"), "--line must be a name"),
    "bad_address": (AddOptions("x", line="l", address="host"), "--address must be HOST:PORT"),
    "no_line": (AddOptions("x"), "with --line"),
    "unknown_profile": (AddOptions("x", line="l", profiles=("y",)), r"--profile takes .*: device"),
}


@pytest.mark.parametrize("options, message", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_added_changes_nothing(installation: Installation, options: AddOptions, message: str) -> None:
    """The message says what is wrong, and no key was made."""
    before = _content(installation)
    with pytest.raises(ConfigurationError, match=message):
        add_station(installation.settings(), options, NOW)
    assert _content(installation) == before


def test_with_several_profiles_one_is_named(installation: Installation) -> None:
    """Which devices a station makes is not for the software to guess."""
    installation.edit("[store]", '[profiles.other]\nissuer = "issuer"\nvalidity = "1y"\n[store]')
    with pytest.raises(ConfigurationError, match="--profile: device, other"):
        add_station(installation.settings(), AddOptions("x", line="l"), NOW)


def test_a_folder_that_is_there_is_left_alone(installation: Installation) -> None:
    """It may hold a key that somebody uses."""
    installation.layout.client("ict-07").mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        add_station(installation.settings(), AddOptions("ict-07", line="l"), NOW)
    assert installation.layout.client("ict-07").is_dir()


def test_without_the_offline_folder_it_says_what_to_do(installation: Installation) -> None:
    """Which folder, and what to do afterwards."""
    installation.layout.offline.rename(installation.folder.parent / "safe")
    before = _content(installation)
    with pytest.raises(ConfigurationError, match="bring the folder offline/ back"):
        add_station(installation.settings(), AddOptions("ict-07", line="l"), NOW)
    assert _content(installation) == before


def test_a_key_of_another_installation_is_refused(installation: Installation) -> None:
    """Its certificates would be refused in every handshake."""
    installation.layout.station_ca_key.write_bytes(installation.layout.server_ca_key.read_bytes())
    with pytest.raises(ConfigurationError, match="belongs to no CA certificate"):
        add_station(installation.settings(), AddOptions("ict-07", line="l"), NOW)


def test_when_the_list_cannot_be_written_the_credential_goes_too(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next attempt would find a folder in its way."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    with pytest.raises(OSError, match="No space"):
        add_station(installation.settings(), AddOptions("ict-07", line="l"), NOW)
    assert not installation.layout.client("ict-07").exists()


def test_a_failed_replacement_leaves_the_old_file(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a stations.toml would lock out a factory."""

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    before = _content(installation)
    monkeypatch.setattr(files.os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        files.replace(installation.layout.stations, b"new")
    assert _content(installation) == before


def test_a_renewed_server_certificate_keeps_key_and_names(installation: Installation) -> None:
    """Callers go on trusting it, under the names that it had and one more."""
    path = installation.layout.pki / "server.pem"
    old = x509.load_pem_x509_certificate(path.read_bytes())
    later = NOW + timedelta(days=340)
    server_certificate.renew(installation.settings(), ["line-ca.example", "192.0.2.7"], later)
    new = x509.load_pem_x509_certificate(path.read_bytes())
    assert new.public_key() == old.public_key()
    assert _names(new) >= _names(old) | {"line-ca.example", "192.0.2.7"}
    assert new.not_valid_after_utc > old.not_valid_after_utc
    trust.check(installation.settings(), later.timestamp())


def test_a_renewal_without_the_offline_folder_says_what_to_do(installation: Installation) -> None:
    """The old certificate stays."""
    installation.layout.server_ca_key.unlink()
    before = _content(installation)
    with pytest.raises(ConfigurationError, match="bring the folder offline/ back"):
        server_certificate.renew(installation.settings(), [], NOW)
    assert _content(installation) == before


def test_a_renewal_for_no_host_name_is_refused(installation: Installation) -> None:
    """A URL, say."""
    with pytest.raises(ConfigurationError, match="--host takes"):
        server_certificate.renew(installation.settings(), ["https://x"], NOW)


def test_a_certificate_without_names_is_renewed_with_the_machines(installation: Installation) -> None:
    """Whoever made it."""
    path = installation.layout.pki / "server.pem"
    path.write_bytes((installation.layout.pki / "server-ca.pem").read_bytes())
    server_certificate.renew(installation.settings(), [], NOW)
    assert "localhost" in _names(x509.load_pem_x509_certificate(path.read_bytes()))


@pytest.mark.parametrize(
    "content, message", [("abc\n", r"own-keys\.txt:1"), ("\xff", "cannot be read"), (None, "cannot be")]
)
def test_a_damaged_list_of_own_keys_is_refused(installation: Installation, content: str | None, message: str) -> None:
    """Half a list would let the other half's keys through."""
    path = installation.layout.own_keys
    path.unlink() if content is None else path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=message):
        own_keys.read(path)


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def _content(installation: Installation) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in installation.folder.rglob("*") if path.is_file()}
