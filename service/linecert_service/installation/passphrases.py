"""Where an issuer's pass phrase or PIN comes from: the environment, a folder of secrets, or a file; never the TOML."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from linecert_service.config import ENVIRONMENT_PREFIX, Issuer, secrets_folder
from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers import key_file


class Passphrase(NamedTuple):
    """A pass phrase or PIN, and where it comes from, for messages."""

    value: bytes
    source: str

    def __repr__(self) -> str:
        """Without the secret: what stands in a traceback's locals or a log is read by others."""
        return f"{type(self).__name__}(source={self.source!r})"


def passphrase_of(name: str, issuer: Issuer, environment: Mapping[str, str] = os.environ) -> Passphrase:
    """The pass phrase of the issuer `name`.

    It is the first that is there, of:

    - the environment variable `LINECERT_ISSUER_<NAME>_PASSPHRASE` (see `variable`),
    - the file of that name in lower case in the secrets folder (`config.secrets_folder`),
    - the first line of the issuer's `passphrase_file`.

    Raises:
        ConfigurationError: there is none, or its file cannot be read or is open to others.
    """
    if found := _find(name, "passphrase", issuer.passphrase_file, environment):
        return found
    raise ConfigurationError(
        f"issuers.{name} has no pass phrase: set the environment variable {variable(name)}, or name a file with "
        f"issuers.{name}.passphrase_file"
    )


def given_passphrase(name: str, environment: Mapping[str, str] = os.environ) -> Passphrase | None:
    """The pass phrase of the issuer `name` from the environment or the secrets folder; None where they hold none.

    Raises:
        ConfigurationError: its file cannot be read or is open to others.
    """
    return _find(name, "passphrase", None, environment)


def pin_of(
    name: str, issuer: Issuer, pin_source: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Passphrase | None:
    """The PIN of the token that holds the key of the issuer `name`; None where there is none.

    It is looked for as a pass phrase is, under `LINECERT_ISSUER_<NAME>_PIN` and `pin_file`, and last in the file that
    the URI names as its `pin-source`.

    Raises:
        ConfigurationError: its file cannot be read or is open to others, or it is not UTF-8 (PKCS#11 v3.1, 3.1).
    """
    found = _find(name, "pin", issuer.pin_file or pin_source, environment)
    if found is not None and not _is_utf8(found.value):
        raise ConfigurationError(f"the PIN from {found.source} is not UTF-8: write it in that encoding")
    return found


def variable(name: str, kind: str = "passphrase") -> str:
    """The environment variable of an issuer's secret; what variables cannot be named with becomes `_`."""
    return f"{ENVIRONMENT_PREFIX}ISSUER_{re.sub('[^A-Za-z0-9]', '_', name)}_{kind}".upper()


def _find(name: str, kind: str, file: Path | None, environment: Mapping[str, str]) -> Passphrase | None:
    named = variable(name, kind)
    if value := environment.get(named):
        return Passphrase(value.encode(), f"the environment variable {named}")
    folder = secrets_folder(environment)
    path = next((path for path in (folder and folder / named.lower(), file) if path and path.exists()), file)
    if path is None:
        return None
    if not (line := key_file.read_private(path).partition(b"\n")[0].removesuffix(b"\r")):
        raise ConfigurationError(f"the first line of {path} is empty: write the {kind} of issuers.{name} there")
    return Passphrase(line, f"the first line of {path}")


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
