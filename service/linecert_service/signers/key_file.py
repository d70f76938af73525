"""Private keys and pass phrases from files: PEM, encrypted unless the caller says otherwise, and private."""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linecert_service.domain.errors import ConfigurationError

# PKCS#8 (RFC 5958) says so in the label, the older form of OpenSSL in a header of RFC 1421.
_ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


def load(
    path: Path, passphrase: bytes | None, *, allow_plain: bool = False, passphrase_from: str = ""
) -> PrivateKeyTypes:
    """Read a private key.

    Args:
        path: PEM file of the key, PKCS#8 or an older form.
        passphrase: what it is encrypted with; unused where it is not.
        passphrase_from: where the pass phrase comes from, for messages.
        allow_plain: whether an unencrypted key is taken: for keys that can be made anew, not for CA keys.

    Raises:
        ConfigurationError: the file cannot be read, others can read it, or it is not such a key.
    """
    pem = read_private(path)
    encrypted = any(mark in pem for mark in _ENCRYPTED)
    if not encrypted and b"PRIVATE KEY-----" not in pem:
        raise ConfigurationError(f"{path} holds no PEM private key: name the file of the key")
    if not encrypted and not allow_plain:
        raise ConfigurationError(
            f"the key in {path} is not encrypted: encrypt it with `openssl pkcs8 -topk8 -in {path} -out NEW`"
        )
    if encrypted and not passphrase:
        raise ConfigurationError(f"the key in {path} is encrypted and there is no pass phrase for it")
    try:
        return load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        source = f" from {passphrase_from}" if passphrase_from else ""
        cause = f"the pass phrase{source} is wrong, or the file is damaged" if encrypted else "the file is damaged"
        raise ConfigurationError(f"the key in {path} cannot be read: {cause}") from error


def read_private(path: Path) -> bytes:
    """Read a file that holds a secret.

    Raises:
        ConfigurationError: it cannot be read, or others than its owner can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is not there: restore it, or correct the setting that names it") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read by this user ({error.strerror})") from error
    # Windows keeps its access rights elsewhere; the mode there says nothing.
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{path} is open to others than its owner (mode {mode:04o}): run `chmod 600 {path}`")
    return content
