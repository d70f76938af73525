"""The places where a CA key can live, for the one contract suite that all of them pass.

To add one: a class with the methods of `Backend`, and a line in `BACKENDS`.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.ports import CaPrivateKey, Signer
from linecert_service.installation.credentials import private_pem
from linecert_service.issuance.certificate import Plan
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.planning import Planner
from linecert_service.signers.opening import Access, open_signer
from support import csrs, softhsm
from support.claims import NOW
from support.issuing import caller, profile, request
from support.key_vault.double import KEY_IDENTIFIER, KeyVaultDouble
from support.softhsm import PIN

PASSPHRASE: Final = b"of a key file of a test"


class Backend(Protocol):
    """A place with one CA key in it.

    Attributes:
        key: the key, of which tests know the private half.
        losable: whether it can be out of reach while the service runs.
    """

    key: CaPrivateKey
    losable: bool

    def open(self) -> Signer:
        """Open the key as a server does. The test closes it."""

    def exchange(self) -> None:
        """Let another key sign in its place, from the next signature or the next opening on."""

    def lose(self) -> None:
        """Put it out of reach."""

    def bring_back(self) -> None:
        """And back."""

    def close(self) -> None:
        """End it."""


class LocalBackend:
    """A key file."""

    losable = False

    def __init__(self, folder: Path, key: CaPrivateKey) -> None:
        self.key = key
        self._path = folder / "issuer.key.pem"
        self._away = folder / "away.pem"
        self._write(key)

    def open(self) -> Signer:
        """From the file."""
        return open_signer(f"file:{self._path}", Access(lambda: (PASSPHRASE, "a test"), lambda _: None))

    def exchange(self) -> None:
        """Another file."""
        self._write(another(self.key))

    def lose(self) -> None:
        """Take the file away."""
        self._path.rename(self._away)

    def bring_back(self) -> None:
        """Put it back."""
        self._away.rename(self._path)

    def close(self) -> None:
        """Nothing is left."""

    def _write(self, key: CaPrivateKey) -> None:
        self._path.write_bytes(private_pem(key, PASSPHRASE))
        self._path.chmod(0o600)


class KeyVaultBackend:
    """A key in a vault, which is a double."""

    losable = True

    def __init__(self, folder: Path, key: CaPrivateKey, environment: pytest.MonkeyPatch) -> None:
        self.key = key
        self.double = KeyVaultDouble(folder / "vault", key)
        for name, value in self.double.environment.items():
            environment.setenv(name, value)

    def open(self) -> Signer:
        """By its identifier."""
        return open_signer(KEY_IDENTIFIER, Access(lambda: (b"", ""), lambda _: None))

    def exchange(self) -> None:
        """The vault goes mad."""
        self.double.let(wrong_key=True)

    def lose(self) -> None:
        """The way to it is cut."""
        self.double.let(refuse=True)

    def bring_back(self) -> None:
        """It is there again."""
        self.double.let(refuse=False)

    def close(self) -> None:
        """End the double."""
        self.double.close()


class TokenBackend:
    """A key in a SoftHSM token, which was put in: tests know its private half."""

    losable = True

    def __init__(self, folder: Path, key: CaPrivateKey, environment: pytest.MonkeyPatch) -> None:
        self.key = key
        self._token = softhsm.new_token(folder / "softhsm", environment)
        self._put_in(key, "issuer", "01")

    def open(self) -> Signer:
        """By its URI."""
        return open_signer(self._token.uri(self._label), Access(lambda: (b"", ""), lambda _: (PIN.encode(), "a test")))

    def exchange(self) -> None:
        """The URI names another key of the token."""
        self._put_in(another(self.key), "other", "02")

    def lose(self) -> None:
        """It is taken out of its slot."""
        self._token.take_out()

    def bring_back(self) -> None:
        """And put in again."""
        self._token.put_back()

    def close(self) -> None:
        """Nothing is left."""

    def _put_in(self, key: CaPrivateKey, label: str, identifier: str) -> None:
        self._label = label
        self._token.put_in(key, label, identifier)


def ec_key() -> CaPrivateKey:
    """P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def p384_key() -> CaPrivateKey:
    """P-384."""
    return ec.generate_private_key(ec.SECP384R1())


def rsa_key() -> CaPrivateKey:
    """RSA, 2048 bits."""
    return rsa.generate_private_key(65_537, 2048)


def another(key: CaPrivateKey) -> CaPrivateKey:
    """A key of the same kind."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ec.generate_private_key(key.curve)
    return rsa.generate_private_key(65_537, key.key_size)


MakeBackend = Callable[[Path, pytest.MonkeyPatch], Backend]

BACKENDS: Final[Mapping[str, MakeBackend]] = {
    "local-p256": lambda folder, _: LocalBackend(folder, ec_key()),
    "local-p384": lambda folder, _: LocalBackend(folder, p384_key()),
    "local-rsa": lambda folder, _: LocalBackend(folder, rsa_key()),
    "token-p256": lambda folder, environment: TokenBackend(folder, ec_key(), environment),
    "token-p384": lambda folder, environment: TokenBackend(folder, p384_key(), environment),
    "token-rsa": lambda folder, environment: TokenBackend(folder, rsa_key(), environment),
    "key-vault-p256": lambda folder, environment: KeyVaultBackend(folder, ec_key(), environment),
    "key-vault-p384": lambda folder, environment: KeyVaultBackend(folder, p384_key(), environment),
    "key-vault-rsa": lambda folder, environment: KeyVaultBackend(folder, rsa_key(), environment),
}


def issuer_of(backend: Backend, signer: Signer) -> Issuer:
    """An issuer whose certificate names the backend's key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuer")])
    starts = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(days=365)
    public_key = backend.key.public_key()
    certificate = (
        x509.CertificateBuilder(name, name, public_key, 1, starts, starts + dt.timedelta(days=20 * 365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(backend.key, hashes.SHA256())
    )
    return Issuer("issuer", [certificate], signer)


def plan_for(issuer: Issuer, device: str = "device-01") -> Plan:
    """A certificate that may be made."""
    planner = Planner(CsrChecker(), {"device": profile(issuer)})
    return planner.plan(request(device, csr=csrs.make(device)), caller(), NOW)
