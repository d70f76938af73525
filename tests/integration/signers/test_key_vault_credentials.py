"""Every kind of credential that azure-identity finds in the environment opens the vault; a wrong one is called so."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers.opening import Access, open_signer
from support.key_vault.double import KEY_IDENTIFIER, KeyVaultDouble, key_vault
from support.key_vault.entra import CLIENT, TENANT
from support.signer_backends import ec_key

Variables = Callable[[KeyVaultDouble, Path], dict[str, str]]
APPLICATION = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}


@pytest.fixture
def double(tmp_path: Path) -> Iterator[KeyVaultDouble]:
    """A vault."""
    with key_vault(tmp_path / "vault", ec_key()) as running:
        yield running


def secret(double: KeyVaultDouble, _folder: Path) -> dict[str, str]:
    """A client secret."""
    return APPLICATION | {"AZURE_CLIENT_SECRET": double.secret}


def certificate(double: KeyVaultDouble, _folder: Path) -> dict[str, str]:
    """A client certificate."""
    return APPLICATION | {"AZURE_CLIENT_CERTIFICATE_PATH": str(double.client_certificate)}


def workload_identity(double: KeyVaultDouble, folder: Path) -> dict[str, str]:
    """What Kubernetes gives a pod."""
    path = folder / "token"
    path.write_text(double.federated_token)
    return APPLICATION | {"AZURE_FEDERATED_TOKEN_FILE": str(path)}


def managed_identity(double: KeyVaultDouble, _folder: Path) -> dict[str, str]:
    """What a virtual machine of Azure has."""
    return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{double.port}"}


def open_and_close() -> None:
    """Open the key as a server does."""
    open_signer(KEY_IDENTIFIER, Access(lambda: (b"", ""), lambda _: None)).close()


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Nothing of Azure but this."""
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TOKEN_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "variables, kind",
    [
        (secret, "secret"),
        (certificate, "certificate"),
        (workload_identity, "workload identity"),
        (managed_identity, "managed identity"),
    ],
)
def test_credential_is_found(
    double: KeyVaultDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: Variables, kind: str
) -> None:
    """The key is read with a token that was given for it."""
    set_environment(monkeypatch, double.way | variables(double, tmp_path) | {"AZURE_TOKEN_CREDENTIALS": "prod"})
    open_and_close()
    assert double.seen().tokens == {kind: 1}


def test_wrong_secret(double: KeyVaultDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variables, and not the secret."""
    set_environment(monkeypatch, double.environment | {"AZURE_CLIENT_SECRET": "planted-wrong-one"})
    with pytest.raises(ConfigurationError, match="AZURE_") as caught:
        open_and_close()
    assert "planted" not in str(caught.value)


def test_no_way_to_the_vault(double: KeyVaultDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried a few times; then the start is refused."""
    set_environment(monkeypatch, double.environment)
    double.let(refuse=True)
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        open_and_close()


def test_no_way_to_entra_id(double: KeyVaultDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is not taken for a wrong credential."""
    set_environment(monkeypatch, double.environment)
    double.entra(working=False)
    with pytest.raises(ConfigurationError, match="Entra ID is out of reach"):
        open_and_close()


def test_certificate_of_an_unknown_ca(double: KeyVaultDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever poses as the vault is found out."""
    set_environment(monkeypatch, double.environment)
    open_and_close()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ConfigurationError, match="out of reach") as caught:
        open_and_close()
    assert "credential" in str(caught.value)
