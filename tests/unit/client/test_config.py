"""client.toml and the files that it names: what is right is read, what is wrong is named."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from linecert_client import Address, ClientConfig, ConfigurationError, Credential, durations
from support.client_pki import Pki, write_client_folder

_GOOD = 'addresses = ["localhost:50051"]\ncertificate = "c.pem"\nkey = "k.pem"\nserver_ca = "ca.pem"\n'


def read(folder: Path, text: str) -> ClientConfig:
    """The configuration that `text` is."""
    (folder / "client.toml").write_text(text, encoding="utf-8")
    return ClientConfig.from_folder(folder)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Relative paths start at client.toml's folder, and the deadline is 30 s when not given."""
    config = read(tmp_path, _GOOD)
    assert config.addresses == (Address("localhost", 50051),)
    assert (config.certificate, config.key) == (tmp_path / "c.pem", tmp_path / "k.pem")
    assert config.deadline == 30


def test_deadline_is_read(tmp_path: Path) -> None:
    """A deadline is a number with a unit."""
    assert read(tmp_path, _GOOD + 'deadline = "2m"').deadline == 120


@pytest.mark.parametrize(
    "text, named",
    [
        (_GOOD + 'colour = "red"', "unknown key 'colour'"),
        (_GOOD.replace("key =", "kee ="), "unknown key 'kee'"),
        (_GOOD.replace('key = "k.pem"\n', ""), "'key' is missing"),
        (_GOOD.replace('"k.pem"', "3"), "'key' must be a text"),
        (_GOOD.replace('"k.pem"', '""'), "'key' must be a text"),
        (_GOOD.replace('["localhost:50051"]', '"localhost:50051"'), "'addresses' must be a list"),
        (_GOOD.replace('["localhost:50051"]', "[]"), "'addresses' must be a list"),
        (_GOOD.replace('"localhost:50051"', '"localhost"'), "'addresses': expected HOST:PORT"),
        (_GOOD.replace('"localhost:50051"', '"::1:50051"'), "'addresses': expected HOST:PORT"),
        (_GOOD.replace('"localhost:50051"', '"localhost:0"'), "'addresses': the port"),
        (_GOOD.replace('"localhost:50051"', '"localhost:65536"'), "'addresses': the port"),
        (_GOOD + 'deadline = "30"', "'deadline': expected"),
        (_GOOD + "deadline = 30", "'deadline' must be a text"),
        ("addresses = [", "is not TOML"),
    ],
)
def test_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    """A mistake in client.toml is told with the file's path and the key."""
    with pytest.raises(ConfigurationError, match=re.escape(named)) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "client.toml") in str(caught.value)
    assert caught.value.action == "fix_station"


def test_missing_folder_says_how_to_name_it(tmp_path: Path) -> None:
    """A missing client.toml is told with the ways to name the folder."""
    with pytest.raises(ConfigurationError, match="LINECERT_CLIENT"):
        ClientConfig.from_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["[::1]:50051", "dns:///[::1]:50051", "10.0.0.7:1", "ca.factory.example:65535"])
def test_address_round_trips(text: str) -> None:
    """Names, IPv4 and IPv6 addresses are read and written alike."""
    assert str(Address.parse(text)) == text.removeprefix("dns:///")


@pytest.mark.parametrize(
    "text, span", [("90s", timedelta(seconds=90)), ("2w", timedelta(weeks=2)), ("5y", timedelta(days=1825))]
)
def test_duration_is_read(text: str, span: timedelta) -> None:
    """Durations are whole numbers with a unit."""
    assert durations.parse(text) == span


@pytest.mark.parametrize("text", ["", "5", "5Y", "-5s", "0s", "1.5h", "5 s", "\u0665s", "999999999w"])
def test_no_duration(text: str) -> None:
    """Anything else is no duration."""
    with pytest.raises(ValueError, match=r"number|long|zero"):
        durations.parse(text)


class TestCredential:
    """The three files are checked before the first call."""

    @pytest.fixture
    def folder(self, pki: Pki, tmp_path: Path) -> Path:
        """A client folder of good files."""
        return write_client_folder(tmp_path, ["localhost:1"], pki.station, pki.server_ca)

    def fails(self, folder: Path, file: str, problem: str) -> None:
        """Loading fails for `problem` in `file`."""
        with pytest.raises(ConfigurationError, match=problem) as caught:
            Credential.load(ClientConfig.from_folder(folder))
        assert str(folder / file) in str(caught.value)
        assert "station add" in caught.value.advice

    def test_good_files_load(self, folder: Path, pki: Pki) -> None:
        """Good files give the certificate's validity, and the key stays out of the repr."""
        credential = Credential.load(ClientConfig.from_folder(folder))
        assert credential.not_after == pki.station.certificate.not_valid_after_utc
        assert "PRIVATE" not in repr(credential)

    @pytest.mark.parametrize("file", ["certificate.pem", "key.pem", "server-ca.pem"])
    def test_missing_file(self, folder: Path, file: str) -> None:
        """A missing file is named."""
        (folder / file).unlink()
        self.fails(folder, file, "no such file")

    @pytest.mark.parametrize("file", ["certificate.pem", "key.pem", "server-ca.pem"])
    def test_unreadable_file(self, folder: Path, file: str) -> None:
        """A file that cannot be read (here a folder) is named."""
        (folder / file).unlink()
        (folder / file).mkdir()
        self.fails(folder, file, "cannot be read")

    @pytest.mark.parametrize("file", ["certificate.pem", "key.pem", "server-ca.pem"])
    def test_file_that_is_not_pem(self, folder: Path, file: str) -> None:
        """A file that is not PEM is named, and nothing of it is repeated."""
        (folder / file).write_bytes(b"swordfish")
        self.fails(folder, file, r"in PEM form$")

    def test_key_of_another_certificate(self, folder: Path, pki: Pki) -> None:
        """A key that does not belong to the certificate is told."""
        (folder / "key.pem").write_bytes(pki.server.key_pem)
        self.fails(folder, "key.pem", "does not belong")

    def test_encrypted_key(self, folder: Path, pki: Pki) -> None:
        """An encrypted key is told as such."""
        encrypted = pki.station.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        (folder / "key.pem").write_bytes(encrypted)
        self.fails(folder, "key.pem", "encrypted")
