"""Private keys and pass phrases from files."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from linecert_service.config import Issuer
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.chains import load_issuer
from linecert_service.installation.passphrases import Passphrase, passphrase_of, pin_of, variable
from linecert_service.signers import key_file
from support.installations import Installation

PASSPHRASE = b"correct horse"
KEY = ec.generate_private_key(ec.SECP256R1())


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with this mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def encrypted(format_: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """The key under the pass phrase."""
    return KEY.private_bytes(Encoding.PEM, format_, BestAvailableEncryption(PASSPHRASE))


def plain() -> bytes:
    """The key as it is."""
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("format_", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_read_with_its_pass_phrase(tmp_path: Path, format_: PrivateFormat) -> None:
    """PKCS#8, and the form that older OpenSSL wrote."""
    key = key_file.load(write(tmp_path / "key.pem", encrypted(format_)), PASSPHRASE)
    assert key.public_key() == KEY.public_key()


def test_a_key_that_openssl_encrypted_is_read(tmp_path: Path) -> None:
    """As the tutorial makes its intermediate's key."""
    path = write(tmp_path / "key.pem", b"")
    command = ["openssl", "genrsa", "-aes256", "-passout", f"pass:{PASSPHRASE.decode()}", "-out", str(path), "2048"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl")
    assert isinstance(key_file.load(path, PASSPHRASE), rsa.RSAPrivateKey)


def test_a_wrong_pass_phrase_is_refused_and_not_shown(tmp_path: Path) -> None:
    """The message names the file."""
    path = write(tmp_path / "key.pem", encrypted())
    with pytest.raises(ConfigurationError, match="pass phrase is wrong") as caught:
        key_file.load(path, b"hunter2")
    assert str(path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("passphrase", [None, b""])
def test_an_encrypted_key_without_a_pass_phrase_is_refused(tmp_path: Path, passphrase: bytes | None) -> None:
    """Nothing asks at a terminal: a server starts alone."""
    with pytest.raises(ConfigurationError, match="no pass phrase"):
        key_file.load(write(tmp_path / "key.pem", encrypted()), passphrase)


def test_a_plain_key_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    """A CA key on a disk is encrypted; the message says how to encrypt it."""
    path = write(tmp_path / "key.pem", plain())
    with pytest.raises(ConfigurationError, match="openssl pkcs8 -topk8"):
        key_file.load(path, PASSPHRASE)
    assert key_file.load(path, None, allow_plain=True).public_key() == KEY.public_key()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Group or others, reading or writing."""
    with pytest.raises(ConfigurationError, match="chmod 600"):
        key_file.load(write(tmp_path / "key.pem", encrypted(), mode), PASSPHRASE)


def test_a_read_only_key_is_fine(tmp_path: Path) -> None:
    """Systemd's credentials are 0400."""
    key_file.load(write(tmp_path / "key.pem", encrypted(), 0o400), PASSPHRASE)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns a file can read it, and let others; root can anyway, and may check what is the service's."""
    path = write(tmp_path / "key.pem", encrypted())
    if os.geteuid() == 0:
        os.chown(path, 4321, 4321)
        key_file.load(path, PASSPHRASE)
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(ConfigurationError, match=r"belongs to another user .*: run `chown 1234 "):
        key_file.load(path, PASSPHRASE)


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd's credentials belong to root, and so do these")
@pytest.mark.parametrize("mode, taken", [(0o440, True), (0o400, True), (0o460, False), (0o444, False)])
def test_a_credential_of_systemd_may_be_readable_by_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    """The mask of its access control list stands where the group's rights stand; elsewhere that is the group."""
    inside, outside = (write(tmp_path / folder / "key.pem", encrypted(), mode) for folder in _two_folders(tmp_path))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(inside.parent))
    for path, fine in ((inside, taken), (outside, mode == 0o400)):
        if fine:
            key_file.load(path, PASSPHRASE)
        else:
            with pytest.raises(ConfigurationError, match="is open to others"):
                key_file.load(path, PASSPHRASE)


def _two_folders(top: Path) -> tuple[str, str]:
    for name in ("credentials", "elsewhere"):
        (top / name).mkdir()
    return "credentials", "elsewhere"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no PEM private key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no PEM private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A certificate in the key's place, or half a file."""
    with pytest.raises(ConfigurationError, match=message):
        key_file.load(write(tmp_path / "key.pem", content), None, allow_plain=True)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the operating system's own reason."""
    with pytest.raises(ConfigurationError, match="is not there"):
        key_file.load(tmp_path / "key.pem", None)


@pytest.fixture
def issuer(installation: Installation) -> Issuer:
    """The issuer that `init` made, with its pass phrase in a file."""
    return installation.settings().issuers["issuer"]


def test_a_pass_phrase_comes_from_its_file(issuer: Issuer) -> None:
    """The first line, without its end."""
    assert issuer.passphrase_file is not None
    issuer.passphrase_file.write_bytes(b"first\r\nsecond\n")
    assert passphrase_of("issuer", issuer, {}).value == b"first"


def test_a_pass_phrase_is_not_shown() -> None:
    """It says where it comes from."""
    shown = repr([Passphrase(b"correct horse", "a test")])
    assert "horse" not in shown
    assert "a test" in shown


def test_the_environment_goes_before_the_secrets_folder_and_that_before_the_file(
    issuer: Issuer, tmp_path: Path
) -> None:
    """As with settings: what is nearest to the process wins."""
    write(tmp_path / "linecert_issuer_issuer_passphrase", b"from the folder\n")
    folder = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert passphrase_of("issuer", issuer, folder).value == b"from the folder"
    variables = folder | {"LINECERT_ISSUER_ISSUER_PASSPHRASE": "from the environment"}
    assert passphrase_of("issuer", issuer, variables).value == b"from the environment"


def test_a_secrets_folder_without_the_pass_phrase_leaves_the_file(issuer: Issuer, tmp_path: Path) -> None:
    """Systemd sets the folder for any credential."""
    assert passphrase_of("issuer", issuer, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_no_pass_phrase_says_where_to_put_one(issuer: Issuer) -> None:
    """The variable is spelled out."""
    without = issuer.model_copy(update={"passphrase_file": None})
    with pytest.raises(ConfigurationError, match="LINECERT_ISSUER_LINE_3_B_PASSPHRASE"):
        passphrase_of("line-3.b", without, {})


def test_an_empty_pass_phrase_file_is_refused(issuer: Issuer) -> None:
    """An empty pass phrase is a mistake."""
    assert issuer.passphrase_file is not None
    issuer.passphrase_file.write_bytes(b"\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        passphrase_of("issuer", issuer, {})


def test_a_pin_comes_from_the_nearest_place(issuer: Issuer, tmp_path: Path) -> None:
    """The environment, the secrets folder, pin_file, and last what the URI names; a token may have none."""
    assert pin_of("issuer", issuer, None, {}) is None
    source = write(tmp_path / "source", b"from the uri\n")
    found = [pin_of("issuer", issuer, source, {})]
    with_file = issuer.model_copy(update={"pin_file": write(tmp_path / "file", b"from the file\nmore\n")})
    found.append(pin_of("issuer", with_file, source, {}))
    write(tmp_path / "linecert_issuer_issuer_pin", b"from the folder")
    variables = {"LINECERT_SECRETS_DIRECTORY": str(tmp_path)}
    found.append(pin_of("issuer", with_file, source, variables))
    variables["LINECERT_ISSUER_ISSUER_PIN"] = "from the environment"
    found.append(pin_of("issuer", with_file, source, variables))
    places = [b"from the uri", b"from the file", b"from the folder", b"from the environment"]
    assert [one.value for one in found if one] == places


@pytest.mark.parametrize("mode, content", [(0o644, b"4711\n"), (0o600, b"\n"), (0o600, b"\xff47\n")])
def test_a_pin_file_is_private_and_holds_a_pin(issuer: Issuer, tmp_path: Path, mode: int, content: bytes) -> None:
    """Open to others, empty, or not UTF-8: it is named, and not shown."""
    path = write(tmp_path / "pin", content, mode)
    with pytest.raises(ConfigurationError) as caught:
        pin_of("issuer", issuer.model_copy(update={"pin_file": path}), None, {})
    assert str(path) in str(caught.value)
    assert "47" not in str(caught.value).replace(str(path), "")


def test_a_pass_phrase_file_that_is_open_to_others_is_refused(issuer: Issuer) -> None:
    """It is worth as much as the key."""
    assert issuer.passphrase_file is not None
    issuer.passphrase_file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="is open to others"):
        passphrase_of("issuer", issuer, {})


@pytest.mark.parametrize("allowed", [True, False])
def test_an_issuers_plain_key_needs_a_switch(installation: Installation, allowed: bool) -> None:
    """With `allow_plain_key = true` it is taken, without a pass phrase; without, the message names the switch."""
    pki = installation.layout.pki
    passphrase = (pki / "issuer.passphrase").read_bytes().partition(b"\n")[0]
    key = key_file.load(pki / "issuer.key.pem", passphrase)
    (pki / "issuer.key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    installation.edit('passphrase_file = "pki/issuer.passphrase"', f"allow_plain_key = {str(allowed).lower()}")
    issuer = installation.settings().issuers["issuer"]
    if allowed:
        load_issuer("issuer", issuer, time.time()).signer.close()
    else:
        with pytest.raises(ConfigurationError, match="allow_plain_key = true"):
            load_issuer("issuer", issuer, time.time())


def test_the_switch_does_not_keep_an_encrypted_key_from_being_opened(installation: Installation) -> None:
    """It allows, and wants nothing."""
    installation.edit("[issuers.issuer]\n", "[issuers.issuer]\nallow_plain_key = true\n")
    load_issuer("issuer", installation.settings().issuers["issuer"], time.time()).signer.close()


def test_variables_have_portable_names() -> None:
    """POSIX: capital letters, digits and underscores."""
    assert variable("line-3.b") == "LINECERT_ISSUER_LINE_3_B_PASSPHRASE"
    assert variable("line-3.b", "pin") == "LINECERT_ISSUER_LINE_3_B_PIN"
