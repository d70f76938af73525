"""The registration ID of Azure DPS: its grammar and how two of them compare.

Source: https://learn.microsoft.com/azure/iot-dps/concepts-service#registration-id. With X.509 attestation it is the
subject common name of the device's certificate and so at most 64 characters (RFC 5280, ub-common-name).
"""

import re
from typing import Final

MAX_LENGTH: Final = 64

_GRAMMAR = re.compile(r"[A-Za-z0-9._:-]{0,63}[A-Za-z0-9-]")
_ALPHABET = re.compile(r"[A-Za-z0-9._:-]*")


class RegistrationIdError(ValueError):
    """The text is no registration ID; the message says which rule it breaks, without repeating the text."""


def check(value: str) -> str:
    """Return `value` when it is a registration ID.

    Raises:
        RegistrationIdError: it is not; the message names the rule.
    """
    # Explicit ASCII ranges and fullmatch: `\w`, `$` and IGNORECASE let other letters, a final newline or the Kelvin
    # sign through.
    if _GRAMMAR.fullmatch(value):
        return value
    if not value:
        problem = "it is empty"
    elif len(value) > MAX_LENGTH:
        problem = f"it has {len(value)} characters, at most {MAX_LENGTH} are allowed with X.509"
    elif not _ALPHABET.fullmatch(value):
        problem = "only ASCII letters, digits and '-' '.' '_' ':' are allowed"
    else:
        problem = "its last character must be a letter, a digit or '-'"
    raise RegistrationIdError(problem)


def key(registration_id: str) -> str:
    """The form under which two IDs are one device: DPS compares without case.

    The argument has passed `check`, so lowering is ASCII lowering.
    """
    return registration_id.lower()
