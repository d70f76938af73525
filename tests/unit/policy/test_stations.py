"""`stations.toml`: what it makes, what each mistake says, and who is admitted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert.v1.options_pb2 import ROLE_AUDITOR, ROLE_PLANNER, ROLE_STATION
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key
from linecert_service.policy.identity import Identity, PeerCertificate, StationCas
from linecert_service.policy.stations import Station, Stations
from support.installations import NAME, Installation


def test_what_init_writes_is_read(installation: Installation) -> None:
    """The three callers with their roles; one profile is the default."""
    stations = installation.stations()
    ca = installation.station_cas().fingerprints[0]
    station = stations.by_name["station-01"]
    assert station.line == "line-01"
    assert station.identity == Identity(ca, "uri", f"urn:linecert:{NAME}:station:station-01")
    assert station.roles == {ROLE_STATION}
    assert (station.profiles, station.default_profile) == (("device",), "device")
    assert station.replacement_reasons == frozenset()
    assert stations.by_name["auditor-01"].roles == {ROLE_AUDITOR}
    assert stations.by_name["planner-01"].roles == {ROLE_PLANNER}


def test_every_setting_is_read(installation: Installation) -> None:
    """What an entry says is what the station is."""
    installation.edit(
        'profiles = ["device"]\n',
        'profiles = ["device"]\ndefault_profile = "device"\nregistration_id_patterns = ["L1-*"]\n'
        'work_order_required = true\nreplacement_reasons = ["REWORK", "LOST"]\nper_minute = 60\nper_day = 5000\n'
        'enabled = false\nvalid_until = 2030-01-31\nrevoked_serials = ["0A:ff", "10"]\n',
        file="stations.toml",
    )
    station = installation.stations().by_name["station-01"]
    assert station.registration_id_patterns.allow("l1-7")
    assert not station.registration_id_patterns.allow("l2-7")
    assert station.work_order_required
    assert station.replacement_reasons == {"REWORK", "LOST"}
    assert (station.per_minute, station.per_day) == (60, 5000)
    assert not station.enabled
    assert station.valid_until == 1_896_134_399
    assert station.revoked_serials == {0x0AFF, 0x10}


MISTAKES = {
    "unknown_setting": ("roles =", "rolls =", "stations[1].rolls", "no setting"),
    "unknown_table": ('[[stations]]\nname = "auditor', '[[station]]\nname = "auditor', "station", "no setting"),
    "no_name": ('name = "auditor-01"\n', "", "stations[2].name", "is missing"),
    "bad_name": ('name = "auditor-01"', 'name = "auditor 01"', "stations[2].name", "1 to 64 ASCII letters"),
    "long_name": ('name = "auditor-01"', f'name = "{"a" * 65}"', "stations[2].name", "1 to 64 ASCII letters"),
    "same_name": ('name = "auditor-01"', 'name = "station-01"', "stations[2].name", "earlier entry"),
    "same_identity": (":auditor:auditor-01", ":station:station-01", "stations[2].identity", "earlier entry"),
    "no_line": ('line = "line-01"\n', "", "stations[1]", "needs a line"),
    "unknown_role": ('"auditor"]', '"auditors"]', "stations[2].roles[1]", "'auditor'"),
    "no_role": ('["auditor"]', "[]", "stations[2].roles", "at least 1"),
    "unknown_profile": ('["device"]', '["devcie"]', "stations[1].profiles", "no profile of linecert.toml"),
    "stray_default": ('["device"]', '["device"]\ndefault_profile = "x"', "stations[1]", "not among its profiles"),
    "hopeless_pattern": (
        '["device"]',
        '["device"]\nregistration_id_patterns = ["a-*", "b_"]',
        "stations[1].registration_id_patterns[2]",
        "must not end",
    ),
    "unknown_reason": (
        '["device"]',
        '["device"]\nreplacement_reasons = ["rework"]',
        "stations[1].replacement_reasons",
        "REWORK",
    ),
    "bad_serial": ('["device"]', '["device"]\nrevoked_serials = ["xyz"]', "stations[1].revoked_serials", "in hex"),
    "serial_as_number": ('["device"]', '["device"]\nrevoked_serials = [10]', "stations[1].revoked_serials", "in hex"),
    "bad_date": ('["device"]', '["device"]\nvalid_until = "2030"', "stations[1].valid_until", "a date such as"),
    "no_limit": ('["device"]', '["device"]\nper_minute = 0', "stations[1].per_minute", "greater than or equal to 1"),
    "limit_as_truth": ('["device"]', '["device"]\nper_minute = true', "stations[1].per_minute", "a whole number"),
    "limit_as_text": ('["device"]', '["device"]\nper_minute = "5"', "stations[1].per_minute", "a whole number"),
    "limit_as_fraction": ('["device"]', '["device"]\nper_day = 5.0', "stations[1].per_day", "a whole number"),
    "truth_as_text": ('["device"]', '["device"]\nenabled = "off"', "stations[1].enabled", "true or false"),
    "truth_as_number": ('["device"]', '["device"]\nenabled = 0', "stations[1].enabled", "true or false"),
    "order_as_text": (
        '["device"]',
        '["device"]\nwork_order_required = "no"',
        "stations[1].work_order_required",
        "true or false",
    ),
    "stray_colon": ('["device"]', '["device"]\nrevoked_serials = ["5:"]', "stations[1].revoked_serials", "in hex"),
    "half_octets": ('["device"]', '["device"]\nrevoked_serials = ["a:b"]', "stations[1].revoked_serials", "in hex"),
    "bad_colons": ("{kind", f'{{ca = "{"0" * 63}:0", kind', "stations[1].identity.ca", "64 hex digits"),
    "unknown_kind": ('kind = "uri"', 'kind = "email"', "stations[1].identity.kind", "'uri'"),
    "unknown_ca": ("{kind", f'{{ca = "{"0" * 64}", kind', "stations[1].identity", "no certificate of the client CA"),
    "bad_ca": ("{kind", '{ca = "00", kind', "stations[1].identity.ca", "64 hex digits"),
    "bad_hash": ('"uri", value = "', '"sha256", value = "', "stations[1].identity", "64 hex digits"),
}


@pytest.mark.parametrize("old, new, place, message", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_file_line_and_setting(
    installation: Installation, old: str, new: str, place: str, message: str
) -> None:
    """Each error of an operator is one sentence that leads to the line."""
    path = installation.layout.stations
    head, found, rest = path.read_text().partition("[[stations]]")
    assert old in found + rest
    path.write_text(head + (found + rest).replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        installation.stations()
    text = str(caught.value)
    assert text.startswith(f"{path}:")
    assert f": {place}" in text
    assert message in text


def test_the_line_is_that_of_the_entry(installation: Installation) -> None:
    """The second entry's mistake is not reported at the first one's line."""
    installation.edit('name = "planner-01"', 'name = "planner 01"', file="stations.toml")
    line = installation.layout.stations.read_text().splitlines().index('name = "planner 01"') + 1
    with pytest.raises(ConfigurationError, match=rf"stations\.toml:{line}: stations\[3\]\.name"):
        installation.stations()


def test_with_two_station_cas_an_identity_names_its_own(installation: Installation) -> None:
    """Two CAs may give the same name to different callers."""
    validity = Validity(datetime.now(UTC), timedelta(days=1))
    other = Authority.self_signed(distinguished_name("other"), new_key(), validity, path_length=0).certificate
    cas = StationCas([*installation.station_cas().certificates, other])
    path = installation.layout.stations
    with pytest.raises(ConfigurationError, match="needs ca"):
        Stations.load(path, station_cas=cas, profiles=["device"])
    colons = ":".join(cas.fingerprints[0].upper()[i : i + 2] for i in range(0, 64, 2))
    path.write_text(path.read_text().replace("{kind", f'{{ca = "{colons}", kind'))
    assert len(Stations.load(path, station_cas=cas, profiles=["device"]).by_name) == 3


def test_a_file_that_is_not_there_is_not_looked_for_with_config(installation: Installation) -> None:
    """The advice is for stations.toml, not for linecert.toml."""
    installation.layout.stations.unlink()
    with pytest.raises(ConfigurationError, match=r"correct `stations` in linecert\.toml"):
        installation.stations()


def test_an_unknown_role_is_told_with_those_that_there_are(installation: Installation) -> None:
    """Where it stands, what is allowed, and nothing else."""
    installation.edit('roles = ["auditor"]', 'roles = ["audtor"]', file="stations.toml")
    allowed = "must be one of 'station', 'planner', 'auditor', 'operator'"
    with pytest.raises(ConfigurationError, match=rf"stations\[2\]\.roles\[1\]: {allowed}$"):
        installation.stations()


def test_an_empty_file_admits_nobody(installation: Installation) -> None:
    """It is not an error: a server may be set up before its stations."""
    installation.layout.stations.write_text("")
    with pytest.raises(Refused):
        installation.stations().admit(installation.peer("station-01"), _now(installation))


def test_a_station_is_admitted(installation: Installation) -> None:
    """The certificate that `init` made is the station that it listed, up to its last second."""
    peer = installation.peer("station-01")
    stations = installation.stations()
    assert stations.admit(peer, _now(installation)).name == "station-01"
    assert stations.admit(peer, peer.not_after).name == "station-01"


def test_names_with_more_than_one_spelling_are_compared_in_lower_case(installation: Installation) -> None:
    """A DNS name has no case, and a hash is a number."""
    entry = 'kind = "uri", value = "urn:linecert:test-factory:station:station-01"'
    peer = installation.peer("station-01")
    installation.edit(entry, f'kind = "sha256", value = "{peer.sha256.upper()}"', file="stations.toml")
    assert installation.stations().admit(peer, _now(installation)).name == "station-01"
    installation.edit(
        f'kind = "sha256", value = "{peer.sha256.upper()}"', 'kind = "dns", value = "ICT.X"', file="stations.toml"
    )
    assert installation.stations().by_name["station-01"].identity.value == "ict.x"


@pytest.mark.parametrize("kind", ["dns", "cn", "sha256"])
def test_a_station_may_be_known_by_another_name(installation: Installation, kind: str) -> None:
    """By DNS name, common name, or the certificate itself, as the entry says."""
    peer = installation.peer("station-01")
    identity = Identity(peer.ca, kind, "known")
    stations = Stations([_station(identity)])
    assert stations.admit(replace(peer, identities=(identity,)), _now(installation)).name == "s"


def test_a_name_of_another_kind_or_ca_is_another_caller(installation: Installation) -> None:
    """A common name that reads like a URI, or a second CA's certificate, does not make a station."""
    peer = installation.peer("station-01")
    stations = Stations([_station(Identity(peer.ca, "uri", "urn:x"))])
    for identity in (Identity(peer.ca, "cn", "urn:x"), Identity("0" * 64, "uri", "urn:x")):
        assert _reason(stations, replace(peer, identities=(identity,)), _now(installation)) == (
            reasons.ERROR_REASON_CALLER_UNKNOWN
        )


def test_a_certificate_that_two_entries_claim_is_unknown(installation: Installation) -> None:
    """It would have two lines, and nobody could say which."""
    peer = installation.peer("station-01")
    first, second = Identity(peer.ca, "uri", "urn:a"), Identity(peer.ca, "uri", "urn:b")
    stations = Stations([_station(first), replace(_station(second), name="t")])
    both = replace(peer, identities=(first, second))
    assert _reason(stations, both, _now(installation)) == reasons.ERROR_REASON_CALLER_UNKNOWN


def test_an_expired_certificate_is_refused_on_the_call(installation: Installation) -> None:
    """Connections outlive certificates: the second after the end is too late."""
    peer = installation.peer("station-01")
    assert _reason(installation.stations(), peer, peer.not_after + 1) == (
        reasons.ERROR_REASON_CALLER_CERTIFICATE_EXPIRED
    )


def test_a_certificate_of_the_future_is_refused(installation: Installation) -> None:
    """Not valid yet is not valid."""
    peer = installation.peer("station-01")
    assert _reason(installation.stations(), peer, peer.not_before - 1) == (
        reasons.ERROR_REASON_CALLER_CERTIFICATE_EXPIRED
    )


def test_a_revoked_certificate_is_refused(installation: Installation) -> None:
    """By its serial number; the station's next certificate is not affected."""
    peer = installation.peer("station-01")
    station = replace(_station(peer.identities[0]), revoked_serials=frozenset({peer.serial}))
    assert _reason(Stations([station]), peer, _now(installation)) == reasons.ERROR_REASON_CALLER_CERTIFICATE_REVOKED
    assert Stations([station]).admit(replace(peer, serial=peer.serial + 1), _now(installation)) is station


def test_a_disabled_station_is_refused(installation: Installation) -> None:
    """`enabled = false` and the day after `valid_until` lock out."""
    peer = installation.peer("station-01")
    now = _now(installation)
    for station, setting in (
        (replace(_station(peer.identities[0]), enabled=False), "enabled = false"),
        (replace(_station(peer.identities[0]), valid_until=now - 1), "valid_until of"),
    ):
        with pytest.raises(Refused, match=setting) as caught:
            Stations([station]).admit(peer, now)
        assert caught.value.reason == reasons.ERROR_REASON_CALLER_DISABLED
    assert Stations([replace(_station(peer.identities[0]), valid_until=now)]).admit(peer, now)


def _station(identity: Identity) -> Station:
    return Station(name="s", line="l", identity=identity, roles=frozenset({ROLE_STATION}))


def _reason(stations: Stations, peer: PeerCertificate, now: float) -> ErrorReason:
    with pytest.raises(Refused) as caught:
        stations.admit(peer, now)
    return caught.value.reason


def _now(installation: Installation) -> float:
    return installation.peer("station-01").not_before + 3600
