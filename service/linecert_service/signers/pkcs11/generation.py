"""Make a CA key in a token, which it never leaves."""

import contextlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from pkcs11 import Attribute, KeyType, MechanismFlag
from pkcs11.exceptions import UserNotLoggedIn
from pkcs11.util.ec import encode_named_curve_parameters

from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers.pkcs11 import faults, lookup
from linecert_service.signers.pkcs11.module import Module
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

IDENTIFIER_OCTETS: Final = 8

_CURVES: Final = {"p256": "secp256r1", "p384": "secp384r1"}
_SIGNS: Final = MechanismFlag.SIGN | MechanismFlag.VERIFY
# PKCS#11 v3.1, 4.9: it cannot be read, wrapped, or made readable later.
_STAYS: Final[Mapping[Attribute, Any]] = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


def generate_key(uri: Pkcs11Uri, pin: str | None, kind: str, *, pin_from: str = "") -> None:
    """Make a key pair under the label and identifier that the URI names; without an identifier it gets a random one.

    Args:
        uri: where.
        pin: of the token's user; None where the token wants none.
        kind: `p256`, `p384`, or `rsa-` and the bits of the modulus.
        pin_from: where the PIN comes from, for messages.

    Raises:
        ConfigurationError: there is such a key already, or the token does not make it; the message says why, and not
            the PIN.
    """
    try:
        module = Module.open(uri.module)
    except (OSError, *faults.PKCS11) as error:
        raise faults.of_the_module(uri, error) from error
    with contextlib.closing(module):
        try:
            with module.using():
                _generate(module, uri, pin, kind)
        except UserNotLoggedIn as error:
            raise ConfigurationError(f"{uri} cannot be made: the token wants its PIN, and there is none") from error
        except (*faults.PKCS11, UnsupportedAlgorithm, ValueError) as error:
            raise faults.of_the_key(uri, error, has_pin=pin is not None, pin_from=pin_from) from error


def _generate(module: Module, uri: Pkcs11Uri, pin: str | None, kind: str) -> None:
    token = lookup.token_of(module.library, uri)
    if pin is not None:
        module.log_in(token, pin)
    with contextlib.closing(token.open(rw=True)) as session:
        if lookup.is_taken(session, uri):
            raise ConfigurationError(f"{uri} is there already: choose another name, or use the key with --existing")
        public, private = _make(session, uri, kind)
        if lookup.may_leave(private):
            for half in (private, public):
                half.destroy()
            raise ConfigurationError(
                f"{uri} was made and destroyed: the token would have handed it out: use a token that keeps its keys"
            )


def _make(session: pkcs11.Session, uri: Pkcs11Uri, kind: str) -> tuple[Any, Any]:
    options: dict[str, Any] = {
        "id": uri.id or secrets.token_bytes(IDENTIFIER_OCTETS),
        "label": uri.object,
        "store": True,
        "capabilities": _SIGNS,
        "private_template": dict(_STAYS),
    }
    if curve := _CURVES.get(kind):
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        return session.create_domain_parameters(KeyType.EC, parameters, local=True).generate_keypair(**options)
    return session.generate_keypair(KeyType.RSA, int(kind.removeprefix("rsa-")), **options)
