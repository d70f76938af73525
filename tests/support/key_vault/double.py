"""Runs the double of Key Vault for a test, and has the test's hand on it."""

import contextlib
import http.client
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from linecert_service.domain.ports import CaPrivateKey
from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support.key_vault.entra import CLIENT, LOGIN_HOST, TENANT
from support.key_vault.model import VAULT_HOST

KEY_NAME: Final = "issuer"
KEY_VERSION: Final = "0123456789abcdef0123456789abcdef"
KEY_IDENTIFIER: Final = f"https://{VAULT_HOST}/keys/{KEY_NAME}/{KEY_VERSION}"

_SCRIPT: Final = Path(__file__).with_name("server.py")
_YEAR: Final = timedelta(days=365)
_PATIENCE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Seen:
    """What the double saw.

    Attributes:
        requests: `get`, `sign`, `throttled`, `challenged`, and errors by their code.
        peak: the most transactions that any ten seconds had.
        tokens: how many were given, by the kind of credential.
    """

    requests: Mapping[str, int]
    peak: int
    tokens: Mapping[str, int]

    @property
    def signatures(self) -> int:
        """How many were made."""
        return self.requests.get("sign", 0)


class KeyVaultDouble:
    """A double that runs, until `close`.

    Args:
        folder: where its files go.
        private_key: of the key KEY_IDENTIFIER.
        key: more of that key, as in `model.Key`.
    """

    def __init__(self, folder: Path, private_key: CaPrivateKey, **key: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.secret = f"planted-secret-{secrets.token_hex(16)}"
        self.federated_token = f"planted-federated-{secrets.token_hex(16)}"
        settings = {
            "entra": {
                "secret": self.secret,
                "certificate": self._make_client_certificate(),
                "federated_token": self.federated_token,
            },
            "keys": [{"name": KEY_NAME, "version": KEY_VERSION, "pem": _pem(private_key), **key}],
            "certificate": self._make_tls_files(),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def way(self) -> dict[str, str]:
        """The environment variables that lead to the double, without a credential."""
        proxy = f"http://127.0.0.1:{self.port}"
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self._folder / "ca.pem"),
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a service that shows a client secret."""
        return self.way | {
            "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": self.secret,
        }

    @property
    def client_certificate(self) -> Path:
        """PEM of the client's certificate and key."""
        return self._folder / "client.pem"

    def let(self, **faults: Any) -> None:
        """Let something go wrong, or right again; see `model.Faults`."""
        self._control(faults=faults)

    def key(self, **changes: Any) -> None:
        """Change the key; see `model.Key`."""
        self._control(key=changes)

    def entra(self, **changes: Any) -> None:
        """Change Entra ID; see `entra.Entra`."""
        self._control(entra=changes)

    def revoke_tokens(self) -> None:
        """Accept no token that was given until now."""
        self._control(revoke=True)

    def seen(self) -> Seen:
        """What it saw."""
        answer = self._control()
        return Seen(answer["seen"], answer["peak"], answer["tokens"])

    def forget(self) -> None:
        """Count from the beginning."""
        self._control(forget=True)

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=_PATIENCE_SECONDS)

    def _control(self, **wanted: Any) -> dict[str, Any]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)) as way:
            way.request("POST", "/double", json.dumps(wanted))
            answer: dict[str, Any] = json.loads(way.getresponse().read())
        return answer

    def _make_tls_files(self) -> str:
        validity = Validity(datetime.now(UTC), _YEAR)
        ca = Authority.self_signed(distinguished_name("double CA"), new_key(), validity, path_length=0)
        key = new_key()
        certificate = ca.server(distinguished_name("double"), key.public_key(), [VAULT_HOST, LOGIN_HOST], validity)
        (self._folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
        server = self._folder / "server.pem"
        server.write_bytes(certificate.public_bytes(Encoding.PEM) + private_pem(key))
        return str(server)

    def _make_client_certificate(self) -> str:
        key = rsa.generate_private_key(65_537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "linecert")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + _YEAR)
            .sign(key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )
        self.client_certificate.write_bytes(certificate + private_pem(key))
        return certificate.decode()


@contextlib.contextmanager
def key_vault(folder: Path, private_key: CaPrivateKey, **key: Any) -> Iterator[KeyVaultDouble]:
    """A double that runs, ended with the block."""
    double = KeyVaultDouble(folder, private_key, **key)
    try:
        yield double
    finally:
        double.close()


def _pem(private_key: CaPrivateKey) -> str:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
