"""From the one string that says where a CA key lives to what signs with it."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.domain.errors import ConfigurationError, KeyOutOfReach, SignerBusy, SignerUnavailable
from linecert_service.domain.key_identifiers import HTTPS_SCHEME, KeyIdentifier
from linecert_service.domain.ports import Signer
from linecert_service.setting_types import FILE_SCHEME
from linecert_service.signers import key_file
from linecert_service.signers.local import LocalSigner
from linecert_service.signers.pkcs11.opening import open_pkcs11
from linecert_service.signers.pkcs11.uri import SCHEME as PKCS11_SCHEME
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

ATTEMPTS: Final = 3
"""How often a vault is asked at a start before that is given up."""
PAUSE_SECONDS: Final = 1.0
VAULT_WORKERS: Final = 16
"""As many threads sign at once with a key in a vault: `key_vault.signer.WORKERS`, whose package may not be there."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a key is opened; what its kind does not need is not asked for.

    Attributes:
        passphrase: gives the pass phrase of a key file, and where it comes from.
        pin: gives the PIN of a token and where it comes from, or None, when told which file the URI names for it.
        allow_plain: whether a key file may be unencrypted.
        workers: how many threads sign at once in a token; None: as many as there are cores.
        limit: signatures of a key vault in any ten seconds; None: by the kind of the key.
    """

    passphrase: Callable[[], tuple[bytes, str]]
    pin: Callable[[Path | None], tuple[bytes, str] | None]
    allow_plain: bool = False
    workers: int | None = None
    limit: int | None = None


def open_signer(reference: str, access: Access) -> Signer:
    """Open the CA key that `reference` names. What is returned is to be closed.

    Args:
        reference: `file:` and an absolute path, a `pkcs11:` URI, or a key identifier of Azure Key Vault; its form was
            checked with the settings.
        access: how it is opened.

    Raises:
        KeyOutOfReach: its vault or its token is away; it may be tried again.
        ConfigurationError: it cannot be opened; the message says why and what to do.
    """
    if reference.startswith(HTTPS_SCHEME):
        return _key_vault(reference, access.limit)
    if reference.startswith(PKCS11_SCHEME):
        return _token(reference, access)
    return _local(Path(reference.removeprefix(FILE_SCHEME)), access)


def _local(path: Path, access: Access) -> Signer:
    if key_file.is_encrypted(path):
        passphrase, source = access.passphrase()
        private_key = key_file.load(path, passphrase, passphrase_from=source)
    else:
        private_key = key_file.load(path, None, allow_plain=access.allow_plain)
    if not isinstance(private_key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise ConfigurationError(f"the key {path} is neither RSA nor EC: an issuer needs one of these")
    return LocalSigner(private_key)


def _token(uri: str, access: Access) -> Signer:
    found = access.pin(Pkcs11Uri.parse(uri).pin_source)
    pin, source = (found[0].decode(), found[1]) if found else (None, "")
    return open_pkcs11(uri, pin, pin_from=source, workers=access.workers)


def _key_vault(reference: str, limit: int | None) -> Signer:
    try:
        from linecert_service.signers.key_vault.signer import KeyVaultSigner  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            f"a CA key in a key vault needs the extra `keyvault` ({error.name} is missing): run "
            "`pip install 'linecert[server,keyvault]'`"
        ) from error
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return KeyVaultSigner(KeyIdentifier.parse(reference), limit)
        except SignerBusy as busy:
            if attempt == ATTEMPTS:
                raise as_sentence(reference, busy) from busy
            time.sleep(PAUSE_SECONDS)
        except SignerUnavailable as fault:
            raise as_sentence(reference, fault) from fault
    raise AssertionError("unreachable")


def workers_of(reference: str, access: Access) -> int:
    """How many threads are to sign at once with the key in a vault or a token that `reference` names."""
    return VAULT_WORKERS if reference.startswith(HTTPS_SCHEME) else access.workers or os.cpu_count() or 1


def as_sentence(reference: str, fault: SignerUnavailable) -> KeyOutOfReach:
    """For commands, which nobody sends again: what is wrong with a key, and what its vault says."""
    cause = str(fault.__cause__ or "").strip().partition("\n")[0]
    problem = re.split("[:;] send again", fault.message)[0]
    return KeyOutOfReach(f"{reference}: {problem}" + (f" ({cause})" if cause else ""))
