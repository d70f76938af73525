"""How often a key may sign: what Azure documents, less a share for what else is asked of the vault.

https://learn.microsoft.com/azure/key-vault/general/service-limits gives transactions in 10 seconds for each vault and
region; https://learn.microsoft.com/azure/key-vault/managed-hsm/scaling-guidance gives signatures a second of a managed
HSM, which is not throttled but gives no more.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from linecert_service.signers.key_vault.keys import VaultKey

SHARE: Final = 0.9
"""Of the documented limit: the vault counts looks at the key and what others ask of it as well."""

_SOFTWARE: Final = {"RSA-2048": 4_000, "RSA-3072": 1_000, "RSA-4096": 500, "EC-256": 4_000, "EC-384": 4_000}
_HSM: Final = {"RSA-2048": 2_000, "RSA-3072": 500, "RSA-4096": 250, "EC-256": 2_000, "EC-384": 2_000}
_MANAGED_HSM: Final = {"RSA-2048": 9_000, "RSA-3072": 3_400, "RSA-4096": 1_500, "EC-256": 3_300, "EC-384": 1_600}


def documented(key: VaultKey) -> int:
    """Signatures in 10 seconds that Azure documents for this kind of key, or for the next larger one."""
    table = _MANAGED_HSM if key.identifier.managed_hsm else _HSM if key.in_hsm else _SOFTWARE
    family = "RSA" if isinstance(key.public_key, RSAPublicKey) else "EC"
    sizes = sorted(int(name.rpartition("-")[2]) for name in table if name.startswith(family))
    size = next((size for size in sizes if size >= key.public_key.key_size), sizes[-1])
    return table[f"{family}-{size}"]


def default(key: VaultKey) -> int:
    """Signatures in 10 seconds that are asked of this kind of key when the settings do not say."""
    return int(documented(key) * SHARE)
