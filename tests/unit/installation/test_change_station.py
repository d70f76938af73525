"""`station disable`, `enable`, `revoke` and `rotate`: what they change, and what they leave alone."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.installation import change_station, files, own_keys
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key, spki_sha256
from linecert_service.installation.credentials import private_pem
from linecert_service.policy.identity import fingerprint
from support.installations import Installation

NOW = datetime.now(UTC)
NAME = "station-01"

FILE = """\
# The callers of line 1.
[[stations]]
name = "station-01"  # at the end of the line
line = "line-01"
identity = {kind = "uri", value = "urn:linecert:test-factory:station:station-01"}
roles = ["station"]
profiles = ["device"]

# Quality, second floor.
[[stations]]
name = "auditor-01"
roles = ["auditor"]
revoked_serials = [
  "0A:0b", # lost in May
]
[stations.identity]
kind = "uri"
value = "urn:linecert:test-factory:auditor:auditor-01"

# the end
"""


@pytest.fixture
def written(installation: Installation) -> Installation:
    """An installation whose operator has written into stations.toml."""
    installation.layout.stations.write_text(FILE)
    return installation


def added(installation: Installation) -> list[str]:
    """The lines that stand in stations.toml now and did not; nothing else may have changed."""
    lines, before = installation.layout.stations.read_text().splitlines(), FILE.splitlines()
    rest = iter(lines)
    assert all(any(line == other for other in rest) for line in before), lines
    return [line for line in lines if line not in before]


def test_a_station_is_disabled_and_enabled(written: Installation) -> None:
    """Its entry says so; comments, order and the others' entries stay as they were."""
    change_station.set_enabled(written.settings(), NAME, enabled=False)
    assert added(written) == ["enabled = false"]
    assert not written.stations().by_name[NAME].enabled
    assert written.stations().by_name["auditor-01"].enabled
    change_station.set_enabled(written.settings(), NAME, enabled=True)
    assert added(written) == ["enabled = true"]
    assert written.stations().by_name[NAME].enabled


def test_enabling_what_is_enabled_changes_nothing(written: Installation) -> None:
    """Not a letter."""
    change_station.set_enabled(written.settings(), NAME, enabled=True)
    assert written.layout.stations.read_text() == FILE


@pytest.mark.parametrize("name", [NAME, "auditor-01"])
def test_serials_are_revoked_once_each(written: Installation, name: str) -> None:
    """In whatever spelling they are given, beside those that are revoked already."""
    for _ in range(2):
        change_station.revoke(written.settings(), name, ["FF:01", "ff01", "0a0b"])
    assert written.stations().by_name[name].revoked_serials == {0xFF01, 0x0A0B}
    assert "lost in May" in written.layout.stations.read_text()
    assert sum("ff01" in line for line in added(written)) == 1


def test_an_inline_list_of_stations_is_changed(installation: Installation) -> None:
    """However an operator wrote the file."""
    installation.layout.stations.write_text(
        'stations = [{ name = "a", line = "b", identity = { kind = "cn", value = "a" } }]\n'
    )
    change_station.set_enabled(installation.settings(), "a", enabled=False)
    change_station.revoke(installation.settings(), "a", ["10"])
    station = installation.stations().by_name["a"]
    assert (station.enabled, station.revoked_serials) == (False, {16})


def test_a_rotated_station_has_a_new_credential_under_its_identity(written: Installation) -> None:
    """Key and certificate are new and fit; the old certificate is revoked, and the new key refused as a device's."""
    old = written.peer(NAME)
    made = change_station.rotate(written.settings(), NAME, NOW, keep_old=False)
    assert (made.folder, made.old_serial, made.revoked) == (written.layout.client(NAME), old.serial, True)
    new = written.peer(NAME)
    assert written.stations().admit(new, NOW.timestamp()).name == NAME
    with pytest.raises(Refused) as caught:
        written.stations().admit(old, NOW.timestamp())
    assert caught.value.reason == reasons.ERROR_REASON_CALLER_CERTIFICATE_REVOKED
    key = load_pem_private_key((made.folder / "key.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((made.folder / "certificate.pem").read_bytes())
    assert certificate.public_key() == key.public_key()
    assert new.spki_sha256 != old.spki_sha256
    assert spki_sha256(certificate.public_key()) in own_keys.read(written.layout.own_keys)
    assert stat.S_IMODE((made.folder / "key.pem").stat().st_mode) == 0o600
    assert [line for line in added(written) if f"{old.serial:x}" in line]


def test_what_else_a_caller_keeps_in_its_folder_stays(installation: Installation) -> None:
    """An auditor's memory of the log, and settings that were changed; nothing else is left beside."""
    folder = installation.layout.client("auditor-01")
    (folder / "verified.json").write_text("{}")
    installation.edit("localhost:8443", "line-ca.example:8443", file="clients/auditor-01/client.toml")
    before = {path.name for path in folder.iterdir()}
    change_station.rotate(installation.settings(), "auditor-01", NOW, keep_old=False)
    assert {path.name for path in folder.iterdir()} == before
    assert "line-ca.example" in (folder / "client.toml").read_text()
    assert {path.name for path in installation.layout.clients.iterdir()} == {"station-01", "auditor-01", "planner-01"}


def test_the_old_certificate_can_be_kept_until_it_is_revoked(written: Installation) -> None:
    """The line goes on: both are accepted, then the new one alone."""
    old = written.peer(NAME)
    made = change_station.rotate(written.settings(), NAME, NOW, keep_old=True)
    assert (made.old_serial, made.revoked) == (old.serial, False)
    for peer in (old, written.peer(NAME)):
        assert written.stations().admit(peer, NOW.timestamp()).name == NAME
    change_station.revoke(written.settings(), NAME, [f"{old.serial:x}"])
    with pytest.raises(Refused):
        written.stations().admit(old, NOW.timestamp())
    assert written.stations().admit(written.peer(NAME), NOW.timestamp()).name == NAME


def test_a_folder_that_was_taken_away_is_made_anew(installation: Installation) -> None:
    """With all that a caller needs; what to revoke is then for the operator to say."""
    folder = installation.layout.client(NAME)
    folder.rename(installation.folder / "taken-away")
    with pytest.raises(ConfigurationError, match="bring it back"):
        change_station.rotate(installation.settings(), NAME, NOW, keep_old=False)
    assert not folder.exists()
    assert change_station.rotate(installation.settings(), NAME, NOW, keep_old=True).old_serial is None
    assert {path.name for path in folder.iterdir()} == {"client.toml", "certificate.pem", "key.pem", "server-ca.pem"}
    assert installation.stations().admit(installation.peer(NAME), NOW.timestamp()).name == NAME


def _second_ca(installation: Installation) -> Authority:
    """A new station CA behind the old one in the client CA file, its key in offline/."""
    new = Authority.self_signed(
        distinguished_name("station CA 2"), new_key(), Validity(NOW, timedelta(days=3650)), path_length=0
    )
    ca = installation.station_cas().fingerprints[0]
    installation.edit("identity = {kind", f'identity = {{ca = "{ca}", kind', file="stations.toml")
    with (installation.layout.pki / "station-ca.pem").open("ab") as file:
        file.write(new.certificate.public_bytes(Encoding.PEM))
    installation.layout.station_ca_key.write_bytes(private_pem(new.private_key))
    return new


def test_a_rotation_moves_a_station_to_a_new_station_ca(installation: Installation) -> None:
    """The entry names the new CA; callers that were not rotated stay with the old one."""
    new = _second_ca(installation)
    with pytest.raises(ConfigurationError, match="cannot be kept"):
        change_station.rotate(installation.settings(), NAME, NOW, keep_old=True)
    change_station.rotate(installation.settings(), NAME, NOW, keep_old=False)
    assert installation.stations().by_name[NAME].identity.ca == fingerprint(new.certificate)
    for name in (NAME, "auditor-01"):
        assert installation.stations().admit(installation.peer(name), NOW.timestamp()).name == name


def test_a_station_that_is_added_names_the_ca_where_there_are_several(installation: Installation) -> None:
    """Otherwise its entry would be none that the server takes."""
    new = _second_ca(installation)
    add_station(installation.settings(), AddOptions("ict-07", line="line-3"), NOW)
    assert installation.stations().by_name["ict-07"].identity.ca == fingerprint(new.certificate)
    assert installation.stations().admit(installation.peer("ict-07"), NOW.timestamp()).name == "ict-07"


Change = Callable[[Installation], object]
REFUSED: dict[str, tuple[Change, str]] = {
    "disable_unknown": (
        lambda made: change_station.set_enabled(made.settings(), "x", enabled=False),
        "lists no such caller",
    ),
    "revoke_unknown": (lambda made: change_station.revoke(made.settings(), "x", ["10"]), "lists no such caller"),
    "revoke_nonsense": (lambda made: change_station.revoke(made.settings(), NAME, ["xyz"]), "SERIAL must be a serial"),
    "rotate_unknown": (
        lambda made: change_station.rotate(made.settings(), "x", NOW, keep_old=False),
        "lists no such caller",
    ),
}


@pytest.mark.parametrize("change, message", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_changed_changes_nothing(written: Installation, change: Change, message: str) -> None:
    """The message says what is wrong."""
    before = _content(written)
    with pytest.raises(ConfigurationError, match=message):
        change(written)
    assert _content(written) == before


def test_a_station_known_by_another_name_is_not_rotated(installation: Installation) -> None:
    """Certificates are made here for URIs only, and the message says what to do instead."""
    installation.edit(
        'kind = "uri", value = "urn:linecert:test-factory:station:station-01"',
        'kind = "cn", value = "station-01"',
        file="stations.toml",
    )
    before = _content(installation)
    with pytest.raises(ConfigurationError, match="station revoke"):
        change_station.rotate(installation.settings(), NAME, NOW, keep_old=False)
    assert _content(installation) == before


@pytest.mark.parametrize("missing", [True, False])
def test_a_rotation_that_fails_leaves_the_old_credential(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, *, missing: bool
) -> None:
    """Without the CA's key, or when stations.toml cannot be written: a caller must not be left with half of each."""
    before = _content(installation)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if missing:
        key = before.pop(str(installation.layout.station_ca_key))
        installation.layout.station_ca_key.unlink()
        assert key
    else:
        monkeypatch.setattr(files, "replace", full)
        before.pop(str(installation.layout.own_keys))
    with pytest.raises((OSError, ConfigurationError)):
        change_station.rotate(installation.settings(), NAME, NOW, keep_old=False)
    after = _content(installation)
    if not missing:
        after.pop(str(installation.layout.own_keys))
    assert after == before


def _content(installation: Installation) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in installation.folder.rglob("*") if path.is_file()}
