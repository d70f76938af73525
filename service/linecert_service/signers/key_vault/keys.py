"""A key as its vault describes it: the public half, and whether it may sign."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from azure.keyvault.keys import JsonWebKey, KeyOperation, KeyType, KeyVaultKey
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linecert_service.domain.errors import SignerUnavailable
from linecert_service.domain.key_identifiers import KeyIdentifier

DISABLED: Final = "the CA key is disabled in its key vault: enable it there"
NOT_PERMITTED: Final = "the CA key in the key vault does not permit `sign`: add it to the key's operations"
NOT_YET_VALID: Final = "the CA key in the key vault is not valid yet: change its activation date (nbf)"
EXPIRED: Final = "the CA key in the key vault has expired: change its expiration date (exp)"

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_CURVES: Final[dict[str, Callable[[], ec.EllipticCurve]]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}


@dataclass(frozen=True, slots=True)
class VaultKey:
    """A version of a key.

    Attributes:
        identifier: which.
        public_key: its public half.
        in_hsm: whether hardware holds it; the vault's limits are others then.
        described: as the SDK has it.
    """

    identifier: KeyIdentifier
    public_key: PublicKey
    in_hsm: bool
    described: KeyVaultKey


def read(identifier: KeyIdentifier, described: KeyVaultKey) -> VaultKey:
    """Take over what the vault says of a key.

    Raises:
        SignerUnavailable: it is of a kind that cannot issue, or may not sign now.
    """
    if described.properties.version != identifier.version:
        raise SignerUnavailable("the key vault answered with another version of the CA key; call the operator")
    check_usable(described)
    in_hsm = described.key_type in {KeyType.ec_hsm, KeyType.rsa_hsm}
    return VaultKey(identifier, _public_key(described), in_hsm, described)


def check_usable(described: KeyVaultKey) -> None:
    """Check that a key may sign now.

    Raises:
        SignerUnavailable: it is disabled, not valid yet, expired, or not made for signing.
    """
    properties, now = described.properties, datetime.now(UTC)
    if properties.enabled is False:
        raise SignerUnavailable(DISABLED)
    if KeyOperation.sign not in described.key_operations:
        raise SignerUnavailable(NOT_PERMITTED)
    if properties.not_before and now < properties.not_before:
        raise SignerUnavailable(NOT_YET_VALID)
    if properties.expires_on and now >= properties.expires_on:
        raise SignerUnavailable(EXPIRED)


def _public_key(described: KeyVaultKey) -> PublicKey:
    key: JsonWebKey = described.key
    numbers = {name: int.from_bytes(value, "big") for name in "nexy" if (value := getattr(key, name, None))}
    try:
        if curve := _CURVES.get(getattr(key, "crv", None) or ""):
            return ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], curve()).public_key()
        return rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()
    except (KeyError, ValueError) as error:
        raise SignerUnavailable(
            "the key in the key vault cannot issue: make one of type EC or EC-HSM on P-256 or P-384, or of type RSA or "
            "RSA-HSM with 2048 to 4096 bits"
        ) from error
