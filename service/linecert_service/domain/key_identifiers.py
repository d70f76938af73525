"""Key identifiers of Azure Key Vault: `https://VAULT.vault.azure.net/keys/NAME/VERSION`."""

import re
from dataclasses import dataclass
from typing import Final, Self

HTTPS_SCHEME: Final = "https:"

# Names as in https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates. Every cloud has a
# domain of its own (`azure.net`, `azure.cn`, `usgovcloudapi.net`), below `vault` or, for a managed HSM, `managedhsm`.
_IDENTIFIER: Final = re.compile(
    r"(?P<vault_url>https://[A-Za-z0-9][A-Za-z0-9-]{1,22}[A-Za-z0-9]\."
    r"(?P<service>vault|managedhsm)(?:\.[a-z0-9-]+){2,4})"
    r"/keys/(?P<name>[A-Za-z0-9-]{1,127})"
    r"(?:/(?P<version>[0-9a-f]{32}))?"
)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where in a vault a key is to be made.

    Attributes:
        vault_url: `https://` and the vault's host.
        name: the key's.
        managed_hsm: whether the vault is a managed HSM.
    """

    vault_url: str
    name: str
    managed_hsm: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key identifier without a version.

        Raises:
            ValueError: it is none, or names a version, which the vault gives when it makes the key.
        """
        match = _IDENTIFIER.fullmatch(text)
        if not match or match["version"]:
            raise ValueError(
                "must be https://VAULT.vault.azure.net/keys/NAME for a key that is to be made, in lower case but for "
                "the names, without a version and a port"
            )
        return cls(match["vault_url"], match["name"], match["service"] == "managedhsm")

    def __str__(self) -> str:
        return f"{self.vault_url}/keys/{self.name}"


@dataclass(frozen=True, slots=True)
class KeyIdentifier:
    """A version of a key in a vault.

    Attributes:
        vault_url: `https://` and the vault's host.
        name: the key's.
        version: 32 hexadecimal digits.
        managed_hsm: whether it lies in a managed HSM.
    """

    vault_url: str
    name: str
    version: str
    managed_hsm: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key identifier.

        Raises:
            ValueError: it is none, or names no version: a key that is rotated in the vault would sign with another key
                than the issuer's certificate names.
        """
        match = _IDENTIFIER.fullmatch(text)
        if not match:
            raise ValueError(
                "must be a key identifier such as https://VAULT.vault.azure.net/keys/NAME/VERSION, in lower case but "
                "for the names, and without a port"
            )
        if not match["version"]:
            raise ValueError(
                "names no version of the key: add /VERSION, since the issuer's certificate belongs to one version "
                "(`az keyvault key show --id URL --query key.kid` prints the identifier with the newest)"
            )
        return cls(match["vault_url"], match["name"], match["version"], match["service"] == "managedhsm")

    def __str__(self) -> str:
        return f"{self.vault_url}/keys/{self.name}/{self.version}"
