"""From a `pkcs11:` URI to a signer, or to a sentence that says what is wrong."""

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm

from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

if TYPE_CHECKING:
    from linecert_service.signers.pkcs11.signer import Pkcs11Signer

_EXTRA: Final = "PKCS#11 needs the package python-pkcs11: run pip install 'linecert[server,pkcs11]'"


def open_pkcs11(uri: str, pin: str | None, *, pin_from: str = "", workers: int | None = None) -> "Pkcs11Signer":
    """Find the key, log in, and be ready to sign. Signs nothing.

    Args:
        uri: `pkcs11:...`, RFC 7512.
        pin: of the token's user; None where the token wants none.
        pin_from: where the PIN comes from, for messages.
        workers: how many threads sign at once; by default as many as there are cores.

    Raises:
        ConfigurationError: something is wrong; the message says what, and not the PIN.
    """
    try:
        from linecert_service.signers.pkcs11 import faults  # noqa: PLC0415 - the extra may not be there
        from linecert_service.signers.pkcs11.module import Module  # noqa: PLC0415
        from linecert_service.signers.pkcs11.signer import Pkcs11Signer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(_EXTRA) from error
    try:
        parsed = Pkcs11Uri.parse(uri)
    except ValueError as error:
        raise ConfigurationError(f"the key URI {error}") from None
    try:
        module = Module.open(parsed.module)
    except (OSError, *faults.PKCS11) as error:
        raise faults.of_the_module(parsed, error) from error
    try:
        return Pkcs11Signer(module, parsed, pin, workers or os.cpu_count() or 1)
    except (*faults.PKCS11, UnsupportedAlgorithm, ValueError) as error:
        raise faults.of_the_key(parsed, error, has_pin=pin is not None, pin_from=pin_from) from error
