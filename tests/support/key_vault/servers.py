"""Servers whose issuer's key lies in the double of Key Vault."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from linecert_service.domain.ports import CaPrivateKey
from linecert_service.installation.authorities import CaKeyType
from linecert_service.signers import key_file
from support.installations import Installation
from support.key_vault.double import KEY_IDENTIFIER, KeyVaultDouble, key_vault
from support.server import LINECERT_SERVER, ServerProcess, installation_at


def move_key(installation: Installation) -> CaPrivateKey:
    """Have the issuer sign with KEY_IDENTIFIER, whose private half is returned; its file is gone."""
    pki = installation.layout.pki
    passphrase = (pki / "issuer.passphrase").read_bytes().splitlines()[0]
    key = key_file.load(pki / "issuer.key.pem", passphrase)
    (pki / "issuer.key.pem").unlink()
    installation.edit("file:pki/issuer.key.pem", KEY_IDENTIFIER)
    return key  # type: ignore[return-value]  # `init` makes RSA and EC keys


def set_limit(installation: Installation, signatures: int) -> None:
    """Have the issuer make at most so many signatures in ten seconds."""
    installation.edit("passphrase_file", f"max_signatures_per_10s = {signatures}\npassphrase_file")


def server_of(installation: Installation, double: KeyVaultDouble) -> ServerProcess:
    """A server process that finds the double; not running yet."""
    variables = (f"{name}={value}" for name, value in double.environment.items())
    return ServerProcess(installation, program=("env", *variables, LINECERT_SERVER))


@contextlib.contextmanager
def vault_server(
    folder: Path, key_type: CaKeyType = "p256", *, limit: int | None = None
) -> Iterator[tuple[ServerProcess, KeyVaultDouble]]:
    """A server that runs and its vault, both ended with the block."""
    installation = installation_at(folder / "server", key_type)
    if limit:
        set_limit(installation, limit)
    with key_vault(folder / "vault", move_key(installation)) as double:
        server = server_of(installation, double)
        try:
            yield server.start(), double
        finally:
            server.close()
