"""Where an issuer's pass phrase comes from: the environment, a folder of secrets, or a file; never the TOML."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from linecert_service.config import ENVIRONMENT_PREFIX, Issuer, secrets_folder
from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers import key_file


class Passphrase(NamedTuple):
    """A pass phrase, and where it comes from, for messages."""

    value: bytes
    source: str


def passphrase_of(name: str, issuer: Issuer, environment: Mapping[str, str] = os.environ) -> Passphrase:
    """The pass phrase of the issuer `name`.

    It is the first that is there, of:

    - the environment variable `LINECERT_ISSUER_<NAME>_PASSPHRASE` (see `variable`),
    - the file of that name in lower case in the secrets folder (`config.secrets_folder`),
    - the first line of the issuer's `passphrase_file`.

    Raises:
        ConfigurationError: there is none, or its file cannot be read or is open to others.
    """
    if value := environment.get(variable(name)):
        return Passphrase(value.encode(), f"the environment variable {variable(name)}")
    folder = secrets_folder(environment)
    candidates = (folder and folder / variable(name).lower(), issuer.passphrase_file)
    path = next((path for path in candidates if path and path.exists()), issuer.passphrase_file)
    if path is None:
        raise ConfigurationError(
            f"issuers.{name} has no pass phrase: set the environment variable {variable(name)}, or name a file with "
            f"issuers.{name}.passphrase_file"
        )
    if not (passphrase := key_file.read_private(path).partition(b"\n")[0].removesuffix(b"\r")):
        raise ConfigurationError(f"the first line of {path} is empty: write the pass phrase of issuers.{name} there")
    return Passphrase(passphrase, f"the first line of {path}")


def variable(name: str) -> str:
    """The environment variable of an issuer's pass phrase; what variables cannot be named with becomes `_`."""
    return f"{ENVIRONMENT_PREFIX}ISSUER_{re.sub('[^A-Za-z0-9]', '_', name).upper()}_PASSPHRASE"
