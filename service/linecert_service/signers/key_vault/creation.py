"""Make a CA key in a vault: once in its life, by an identity that may create keys."""

import contextlib
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient, KeyCurveName, KeyOperation, KeyVaultKey

from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.key_identifiers import KeyPlace
from linecert_service.signers.key_vault.connection import CONNECT_SECONDS, credential, translated
from linecert_service.signers.key_vault.failures import NoPermission

READ_SECONDS: Final = 60.0
"""Hardware takes its time over an RSA key."""

# Not repeated: what is asked twice is made twice.
_ONCE: Final[dict[str, Any]] = {
    "retry_total": 0,
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
}
_CURVES: Final = {"p256": KeyCurveName.p_256, "p384": KeyCurveName.p_384}
_OPERATIONS: Final = [KeyOperation.sign, KeyOperation.verify]


def create_key(place: KeyPlace, kind: str, *, in_hsm: bool) -> str:
    """Make a key that signs and verifies and does nothing else.

    Args:
        place: vault and name; a name that is taken is refused, since the vault would make a new version of that key.
        kind: `p256`, `p384`, or `rsa-` and the bits of the modulus.
        in_hsm: whether hardware is to hold it; a managed HSM always does.

    Returns:
        The identifier of the key's version.

    Raises:
        ConfigurationError: the name is taken, also by a key that was deleted and not purged, or this identity may not
            create keys.
        SignerUnavailable: the vault refuses, or was not reached.
    """
    with contextlib.ExitStack() as opened:
        identity = opened.enter_context(credential())
        client = opened.enter_context(KeyClient(place.vault_url, identity, **_ONCE))
        try:
            with translated():
                if _is_taken(client, place.name):
                    raise ConfigurationError(
                        f"{place} is there already: choose another name, or use the key with --existing and the "
                        "identifier of its version"
                    )
                made = _create(client, place, kind, in_hsm=in_hsm or place.managed_hsm)
        except NoPermission as fault:
            raise ConfigurationError(
                f"{place} cannot be made: this identity may not read and create keys there: give it the role Key Vault "
                "Crypto Officer for as long as this takes"
            ) from fault
    if not made.id:
        raise SignerUnavailable("the key vault gave the new key no identifier: look for it there")
    return str(made.id)


def _is_taken(client: KeyClient, name: str) -> bool:
    try:
        client.get_key(name)
    except ResourceNotFoundError:
        return False
    return True


def _create(client: KeyClient, place: KeyPlace, kind: str, *, in_hsm: bool) -> KeyVaultKey:
    options: dict[str, Any] = {"key_operations": _OPERATIONS, "hardware_protected": in_hsm}
    try:
        if curve := _CURVES.get(kind):
            return client.create_ec_key(place.name, curve=curve, **options)
        return client.create_rsa_key(place.name, size=int(kind.removeprefix("rsa-")), **options)
    except ResourceExistsError as error:
        # 409 Conflict (ObjectIsDeletedButRecoverable): such a key is not found, and yet has its name.
        raise ConfigurationError(
            f"{place} was deleted, and the vault keeps it with its name for a while: recover it and use it with "
            "--existing, or purge it, or choose another name"
        ) from error
