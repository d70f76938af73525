"""`linecert.toml`, the environment and the secrets folder: what they make, and what each mistake says."""

import re
from pathlib import Path

import pytest

from linecert_service import config
from linecert_service.domain.errors import ConfigurationError
from linecert_service.setting_types import parse_duration
from support.installations import Installation


def test_what_init_writes_is_read_with_paths_from_its_folder(installation: Installation) -> None:
    """Relative paths start at the TOML's folder, and come out absolute."""
    settings = installation.settings()
    assert settings.folder == installation.folder
    assert settings.server.tls_certificate == installation.folder / "pki/server.pem"
    assert settings.issuers["issuer"].key == f"file:{installation.folder / 'pki/issuer.key.pem'}"
    assert settings.store.url == f"sqlite:///{installation.folder}/linecert.db"
    assert settings.stations == installation.folder / "stations.toml"
    assert settings.profiles["device"].validity == 5 * 365 * 86_400
    assert settings.profiles["device"].key_types == config.KEY_TYPES


def test_a_relative_config_path_gives_absolute_paths(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--config linecert.toml` works from the folder itself."""
    monkeypatch.chdir(installation.folder)
    assert config.load(Path("linecert.toml")).log.key.is_absolute()


@pytest.mark.parametrize(
    "text, seconds", [("5y", 157_680_000), ("30d", 2_592_000), ("12h", 43_200), ("5m", 300), ("90s", 90)]
)
def test_durations_have_units(text: str, seconds: int) -> None:
    """A duration is a number and a unit; a year has 365 days."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["5", "5 y", "1.5h", "-5m", "5Y", "", "5m\n", "\u0665m", 300])
def test_other_forms_of_durations_are_refused(text: object) -> None:
    """No unit, a sign, a fraction, other digits or a bare number: an error that shows the form."""
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)


def test_a_fixed_end_stands_in_place_of_a_validity(installation: Installation) -> None:
    """RFC 5280's 'no well-defined end' may be written as TOML date-time or as it stands in the certificate."""
    installation.edit('max_validity = "5y"\n', "")
    installation.edit('validity = "5y"\n', "not_after = 9999-12-31T23:59:59Z\n")
    assert installation.settings().profiles["device"].not_after == 253_402_300_799
    installation.edit("9999-12-31T23:59:59Z\n", '"99991231235959Z"\n')
    profile = installation.settings().profiles["device"]
    assert (profile.not_after, profile.validity, profile.max_validity) == (253_402_300_799, None, None)


def test_max_validity_is_validity_where_it_is_not_set(installation: Installation) -> None:
    """Without max_validity no request gets more than the profile's own."""
    installation.edit('max_validity = "5y"\n', "")
    assert installation.settings().profiles["device"].max_validity == 5 * 365 * 86_400


def test_subject_attributes_keep_their_order(installation: Installation) -> None:
    """The order in the TOML is the order in the certificate."""
    installation.edit("\nsubject = {}", '\nsubject = { O = "Contoso", OU = "Line 3", C = "DE" }')
    assert list(installation.settings().profiles["device"].subject) == ["O", "OU", "C"]


# What is changed in linecert.toml, where the error says it is, and what it says.
MISTAKES = {
    "unknown_setting": ("clamp = false", "clmap = false", "profiles.device.clmap", "no setting of linecert"),
    "unknown_table": ("[store]", "[stroe]", "stroe", "is no setting of linecert"),
    "missing_table": ('[store]\nurl = "sqlite:///linecert.db"', "", "store", "is missing: add it"),
    "same_port": ('"127.0.0.1:9464"', '"0.0.0.0:8443"', "server", "the same port for listen and metrics_listen"),
    "missing_setting": ('tls_key = "pki/server.key.pem"', "", "server.tls_key", "is missing"),
    "no_port": ('"127.0.0.1:8443"', '"127.0.0.1"', "server.listen", "HOST:PORT"),
    "port_too_high": ('"127.0.0.1:8443"', '"127.0.0.1:70000"', "server.listen", "HOST:PORT"),
    "bad_duration": ('backdate = "5m"', 'backdate = "five"', "profiles.device.backdate", "unit"),
    "number_as_duration": ('backdate = "5m"', "backdate = 5", "profiles.device.backdate", "text such as"),
    "endless": ('backdate = "5m"', 'backdate = "1001y"', "profiles.device.backdate", "at most 1000y"),
    "no_such_day": ("clamp =", 'not_after = "20401399000000Z"\nclamp =', "profiles.device.not_after", "with whole"),
    "zero_validity": ('\nvalidity = "5y"', '\nvalidity = "0s"', "profiles.device.validity", "greater than 0"),
    "unknown_key_type": ('"P-384"', '"P-521"', "profiles.device.key_types[2]", "P-384"),
    "no_key_type": (
        'key_types = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"]',
        "key_types = []",
        "profiles.device.key_types",
        "at least 1",
    ),
    "common_name": ("\nsubject = {}", '\nsubject = { CN = "x" }', "profiles.device.subject", "registration ID"),
    "unknown_attribute": ("\nsubject = {}", '\nsubject = { E = "x" }', "profiles.device.subject", "C, ST, L, O, OU"),
    "long_attribute": ("\nsubject = {}", f'\nsubject = {{ O = "{"x" * 65}" }}', "profiles.device.subject", "1 to 64"),
    "country": ("\nsubject = {}", '\nsubject = { C = "de" }', "profiles.device.subject", "ISO 3166"),
    "unknown_issuer": ('issuer = "issuer"', 'issuer = "other"', "", "profiles.device.issuer names no issuer"),
    "bad_issuer_name": ("[issuers.issuer]", '[issuers."a b"]', "issuers.a b", "1 to 64 ASCII letters"),
    "vault_key": (
        '"file:pki/issuer.key.pem"',
        '"https://factory.vault.azure.net/keys/issuer"',
        "issuers.issuer.key",
        "names no version",
    ),
    "bare_key_path": ('"file:pki/issuer.key.pem"', '"pki/issuer.key.pem"', "issuers.issuer.key", "file:"),
    "other_database": ("sqlite:///linecert.db", "mysql://u:hunter2@h/d", "store.url", "sqlite:///FILE"),
    "below_validity": ('max_validity = "5y"', 'max_validity = "1y"', "profiles.device", "below its validity"),
    "two_ends": ("clamp =", "not_after = 2040-01-01T00:00:00Z\nclamp =", "profiles.device", "either validity or"),
    "max_of_a_fixed_end": (
        '\nvalidity = "5y"',
        "\nnot_after = 2040-01-01T00:00:00Z",
        "profiles.device",
        "remove max_validity",
    ),
    "local_time": ("clamp =", "not_after = 2040-01-01T00:00:00\nclamp =", "profiles.device.not_after", "with whole"),
    "no_pending": ("[store]", "[limits]\npending = 0\n[store]", "limits.pending", "greater than or equal to 1"),
    "no_connections": ("[store]", "[limits]\nconnections = 0\n[store]", "limits.connections", "equal to 1"),
    "no_handshake": ("[store]", '[limits]\nhandshake = "0s"\n[store]', "limits.handshake", "between 1s and 20d"),
    "old_age": ("[store]", '[limits]\nconnection_age = "30d"\n[store]', "limits.connection_age", "1s and 20d"),
    "path_of_itself": ("\nstations =", '\npath = "x"\nstations =', "path", "remove it"),
    "log_name": ('[log]\nname = "test-factory"', '[log]\nname = "a/1"', "log.name", "1 to 64 ASCII letters"),
}


@pytest.mark.parametrize("old, new, place, message", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_file_and_setting(
    installation: Installation, old: str, new: str, place: str, message: str
) -> None:
    """One sentence: the file (and the line where there is one), the setting, and what to do; never a pydantic dump."""
    installation.edit(old, new)
    with pytest.raises(ConfigurationError) as caught:
        installation.settings()
    text = str(caught.value)
    assert text.startswith(str(installation.config))
    assert re.search(rf"(:\d+)?: {re.escape(place)}", text)
    assert message in text
    assert "pydantic" not in text
    assert "hunter2" not in text


def test_the_line_is_that_of_the_setting(installation: Installation) -> None:
    """An editor can jump to what is wrong."""
    installation.edit('backdate = "5m"', 'backdate = "soon"')
    line = installation.config.read_text().splitlines().index('backdate = "soon"') + 1
    with pytest.raises(ConfigurationError, match=rf"linecert\.toml:{line}: "):
        installation.settings()


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    """Who starts in the wrong folder learns of --config and init."""
    with pytest.raises(ConfigurationError, match="linecert-server init"):
        config.load(tmp_path / "linecert.toml")


@pytest.mark.parametrize("content, message", [(b"[server", "not valid TOML"), (b"\xff", "not UTF-8")])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The parser's own words tell the place."""
    (tmp_path / "linecert.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        config.load(tmp_path / "linecert.toml")


def test_the_environment_goes_before_secrets_and_secrets_before_the_file(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set nearest to the process wins."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/linecert_store__url").write_text("sqlite:///secret.db\n")
    (tmp_path / "secrets/linecert_server__listen").write_text("127.0.0.1:1\n")
    monkeypatch.setenv("LINECERT_SECRETS_DIRECTORY", str(tmp_path / "secrets"))
    monkeypatch.setenv("LINECERT_SERVER__LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("LINECERT_PROFILES__DEVICE__KEY_TYPES", '["P-256"]')
    settings = installation.settings()
    assert settings.store.url == f"sqlite:///{installation.folder}/secret.db"
    assert settings.server.listen == "127.0.0.1:2"
    assert settings.profiles["device"].key_types == ("P-256",)


def test_a_mistake_in_the_environment_names_the_variable(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not blamed for what the environment says, and the value, which may be a secret, is not shown."""
    monkeypatch.setenv("LINECERT_STORE__URL", "mysql://u:hunter2@h/d")
    with pytest.raises(ConfigurationError, match=r"LINECERT_STORE__URL: must be sqlite") as caught:
        installation.settings()
    assert "hunter2" not in str(caught.value)


def test_a_list_in_the_environment_that_is_no_json_is_refused(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback."""
    monkeypatch.setenv("LINECERT_PROFILES", "{hunter2")
    with pytest.raises(ConfigurationError, match="environment") as caught:
        installation.settings()
    assert "hunter2" not in str(caught.value)


def test_a_secrets_folder_that_is_not_there_is_an_error(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount that is missing must not look like an absent setting."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="does not exist"):
        installation.settings()


def test_a_secret_that_is_no_text_is_an_error(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder shared with another service may hold anything; not a traceback."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/other").write_bytes(b"\xff")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "secrets"))
    with pytest.raises(ConfigurationError, match="cannot be read as UTF-8 text"):
        installation.settings()


def test_settings_do_not_show_the_store_url(installation: Installation) -> None:
    """A URL may carry a password, and settings may be logged."""
    assert "sqlite" not in repr(installation.settings())


@pytest.mark.parametrize(
    "settings, problem",
    [
        ('next_issuer = "issuer"', "has its issuer as next_issuer, too"),
        ('next_issuer = "nobody"', "profiles.device.next_issuer names no issuer"),
        ("switch_at = 2027-01-01T00:00:00Z", "has a switch_at and no next_issuer"),
        ('next_issuer = "issuer"\nswitch_at = 2027-01-01', "must be a date-time with whole seconds and Z"),
    ],
)
def test_an_issuer_to_follow_must_be_another_one(installation: Installation, settings: str, problem: str) -> None:
    """And there, and a time is one only with it."""
    installation.edit("[profiles.device]\n", f"[profiles.device]\n{settings}\n")
    with pytest.raises(ConfigurationError, match=problem):
        installation.settings()


def test_issuers_that_are_followed_are_not_needed(installation: Installation) -> None:
    """Before the switch both, after it the new one alone, whatever comes of the old one."""
    section = '[issuers.new]\nkey = "file:new.pem"\nchain = "new.chain.pem"\n'
    staged = 'next_issuer = "new"\nswitch_at = 1970-01-01T00:00:10Z\n'
    installation.edit("[profiles.device]\n", f"{section}\n[profiles.device]\n{staged}")
    settings = installation.settings()
    assert settings.profiles["device"].issuers_from(9) == ("issuer", "new")
    assert settings.profiles["device"].issuers_from(10) == ("new",)
    assert (settings.issuers_from(9), settings.issuers_from(10)) == ({"issuer", "new"}, {"new"})
