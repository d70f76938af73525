"""What is wrong with a token at the start, in a sentence for the operator."""

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from pkcs11 import exceptions
from pkcs11.exceptions import PKCS11Error

from linecert_service.domain.errors import ConfigurationError, KeyOutOfReach, PinRefused
from linecert_service.signers.pkcs11.logins import FinalTry
from linecert_service.signers.pkcs11.signer import PIN_REFUSED, named
from linecert_service.signers.pkcs11.turns import Busy
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

PKCS11: Final = (PKCS11Error, Busy)
"""What the modules of this package raise of themselves."""

_PIN_PROBLEMS: Final[Mapping[type[Exception], str]] = {
    FinalTry: "locks itself at the next wrong PIN, and was not asked: correct the PIN here, and log in once with the "
    "token's own tool",
    exceptions.PinLocked: "is locked after too many wrong PINs: unlock it with the security officer's PIN",
    exceptions.PinExpired: "says that its PIN has expired: set a new one",
    exceptions.UserPinNotInitialized: "has no user PIN yet: set one with the security officer's PIN",
}


def of_the_module(uri: Pkcs11Uri, error: Exception) -> ConfigurationError:
    """The module cannot be used."""
    if isinstance(error, OSError) or "loading" in str(error):
        problem = "cannot be loaded as a PKCS#11 module: correct module-path or module-name, or install its package"
        return ConfigurationError(f"{uri.module} {problem}")
    problem = f"does not start ({named(error)}): see that its own configuration is there and readable by this user"
    return KeyOutOfReach(f"{uri.module} {problem}")


def of_the_key(uri: Pkcs11Uri, error: Exception, *, has_pin: bool, pin_from: str) -> ConfigurationError:
    """The token, its login or the key is not as it should be."""
    kind = ConfigurationError
    match error:
        case exceptions.NoSuchToken():
            kind = KeyOutOfReach
            problem = f"{uri.module} shows no such token: put it in, or correct token, serial or slot-id in the URI"
        case exceptions.MultipleTokensReturned():
            problem = f"{uri.module} shows several such tokens: add serial or slot-id to the URI"
        case exceptions.MultipleObjectsReturned():
            problem = "the token holds several such keys: name it by both object and id in the URI"
        case exceptions.NoSuchKey():
            problem = _no_key(has_pin=has_pin)
        case UnsupportedAlgorithm() | ValueError():
            problem = "it cannot issue: use RSA of 2048 to 4096 bits, or EC on P-256 or P-384"
        case _ if isinstance(error, PIN_REFUSED):
            return _pin_refused(uri, error, pin_from)
        case _:
            kind = KeyOutOfReach
            problem = f"the token does not answer as it should ({named(error)}): see its own log"
    return kind(f"{uri} cannot be used: {problem}")


def _no_key(*, has_pin: bool) -> str:
    if has_pin:
        return (
            "the token shows no such private key, or for an EC key no public key with the same id beside it: correct "
            "object or id in the URI, or import the public key"
        )
    return "the token shows no such private key to whoever has not logged in: give the PIN, or correct the URI"


def _pin_refused(uri: Pkcs11Uri, error: Exception, pin_from: str) -> PinRefused:
    source = f" from {pin_from}" if pin_from else ""
    problem = _PIN_PROBLEMS.get(
        type(error), f"refuses the PIN{source}: correct it before you start again, since tokens lock after a few tries"
    )
    return PinRefused(f"{uri.token_name} {problem}")
