"""Tokens of SoftHSM2: what PKCS#11 is tested with. Skips, and says so, where SoftHSM2 is not installed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from linecert_service.domain.ports import CaPrivateKey
from linecert_service.installation.authorities import Validity, distinguished_name
from linecert_service.signers.remote_keys import remote_key
from support.installations import Installation

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

LABEL: Final = "line-ca"
PIN: Final = "4711-0815"
_SO_PIN: Final = "99887766"
_KEYS: Final = str(Path(__file__).with_name("softhsm_keys.py"))
_FOLDERS: Final = ("/usr/lib/softhsm", "/usr/lib64/softhsm", "/usr/lib64/pkcs11", "/usr/local/lib/softhsm")


def module() -> str:
    """The path of SoftHSM's PKCS#11 module."""
    candidates = [Path(folder, "libsofthsm2.so") for folder in _FOLDERS]
    candidates += Path("/usr/lib").glob("*-linux-*/softhsm/libsofthsm2.so")
    for candidate in candidates:
        if candidate.exists() and shutil.which("softhsm2-util"):
            return str(candidate)
    pytest.skip("!!! PKCS#11 IS NOT TESTED: there is no SoftHSM2 here; deploy/dev/install-tools.sh brings it")


@dataclass(frozen=True, slots=True)
class SoftToken:
    """A token in `folder`, of which SoftHSM knows through the environment.

    Attributes:
        module: path of SoftHSM's module.
        pin: of its user.
    """

    folder: Path
    module: str
    pin: str = PIN

    def uri(self, label: str, *, where: str = f"token={LABEL}", pin_source: Path | None = None) -> str:
        """The URI of a key."""
        source = f"&pin-source=file:{quote(str(pin_source))}" if pin_source else ""
        return f"pkcs11:{where};object={quote(label)}?module-path={quote(self.module)}{source}"

    def make_key(self, kind: str, label: str, identifier: str = "01", *attributes: str) -> PublicKey:
        """Make a key in the token that cannot leave it, and return its public half."""
        arguments = (self.module, LABEL, self.pin, kind, label, identifier, *attributes)
        key = load_pem_public_key(_run(sys.executable, _KEYS, *arguments).encode())
        assert isinstance(key, PublicKey)
        return key

    def put_in(self, key: CaPrivateKey, label: str, identifier: str) -> None:
        """Put a key into the token that was made elsewhere."""
        file = self.folder / "key.p8"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        into = ("--token", LABEL, "--pin", self.pin, "--label", label, "--id", identifier)
        _run("softhsm2-util", "--import", str(file), *into)
        file.unlink()

    def take_out(self) -> None:
        """Take the token out of its slot."""
        self._tokens.rename(self._away)

    def put_back(self) -> None:
        """Put it in again."""
        shutil.rmtree(self._tokens, ignore_errors=True)
        self._away.rename(self._tokens)

    def replace(self, pin: str) -> None:
        """Put another token of the same label in its place, without a key; this one is out."""
        self.take_out()
        self._tokens.mkdir()
        _initialize(pin)

    @property
    def _tokens(self) -> Path:
        return self.folder / "tokens"

    @property
    def _away(self) -> Path:
        return self.folder / "away"


def new_token(folder: Path, monkeypatch: pytest.MonkeyPatch, pin: str = PIN) -> SoftToken:
    """A fresh token, which this process and those that it starts see, and nobody else."""
    path = module()
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    _initialize(pin)
    return SoftToken(folder, path, pin)


def move_issuer(installation: Installation, token: SoftToken, kind: str, *attributes: str) -> None:
    """Give the installation an issuer below its root whose key was made in the token, and leave the PIN out."""
    public_key = token.make_key(kind, "issuer", "01", *attributes)
    validity = Validity(datetime.now(UTC), timedelta(days=20 * 365))
    root = installation.root()
    issuer = root.intermediate(distinguished_name("issuer in a token"), remote_key(public_key, _never), validity)  # type: ignore[arg-type]
    pki = installation.layout.pki
    chain = (issuer.certificate, root.certificate)
    (pki / "issuer.chain.pem").write_bytes(b"".join(link.public_bytes(Encoding.PEM) for link in chain))
    (pki / "issuer.key.pem").unlink()
    (pki / "issuer.passphrase").unlink()
    installation.edit('"file:pki/issuer.key.pem"', f'"{token.uri("issuer")}"')
    installation.edit('passphrase_file = "pki/issuer.passphrase"\n', "")


def _initialize(pin: str) -> None:
    _run("softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", _SO_PIN, "--pin", pin)


def _run(*command: str) -> str:
    result = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _never(_digest: bytes, _algorithm: hashes.HashAlgorithm) -> NoReturn:
    raise AssertionError("the issuer's key signs nothing here")
