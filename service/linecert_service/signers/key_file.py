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
_ROOT: Final = 0


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
    encrypted = _is_encrypted(pem)
    if not encrypted and b"PRIVATE KEY-----" not in pem:
        raise ConfigurationError(f"{path} holds no PEM private key: name the file of the key")
    if not encrypted and not allow_plain:
        raise ConfigurationError(
            f"the key in {path} is not encrypted: encrypt it with `openssl pkcs8 -topk8 -in {path} -out NEW`, or set "
            "allow_plain_key = true for this issuer"
        )
    if encrypted and not passphrase:
        raise ConfigurationError(f"the key in {path} is encrypted and there is no pass phrase for it")
    try:
        return load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        source = f" from {passphrase_from}" if passphrase_from else ""
        cause = f"the pass phrase{source} is wrong, or the file is damaged" if encrypted else "the file is damaged"
        raise ConfigurationError(f"the key in {path} cannot be read: {cause}") from error


def is_encrypted(path: Path) -> bool:
    """Whether the key in a file is encrypted. Raises as `read_private`."""
    return _is_encrypted(read_private(path))


def read_private(path: Path) -> bytes:
    """Read a file that holds a secret.

    Windows keeps access rights in lists of their own, which are not looked at.

    Raises:
        ConfigurationError: it cannot be read, or others than its owner or this user can read it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is not there: restore it, or correct the setting that names it") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read by this user ({error.strerror})") from error
    if os.name == "posix":
        _check_privacy(path, status)
    return content


def _check_privacy(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & _others(path, status):
        raise ConfigurationError(f"{path} is open to others than its owner (mode {mode:04o}): run `chmod 600 {path}`")
    # To root every file is open anyway: it may check an installation that is the service's.
    if os.geteuid() not in (_ROOT, status.st_uid) and status.st_uid != _ROOT:
        raise ConfigurationError(
            f"{path} belongs to another user (uid {status.st_uid}), who can read it: run `chown {os.geteuid()} {path}`"
        )


def _others(path: Path, status: os.stat_result) -> int:
    """The bits of the mode that nobody may have.

    Where systemd's credentials lie on a tmpfs, they are root's, and the service reads them by an access control list,
    whose mask stands in the group's bits.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    is_credential = credentials is not None and path.parent == Path(credentials)
    if is_credential and status.st_uid == status.st_gid == _ROOT:
        return stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
    return stat.S_IRWXG | stat.S_IRWXO


def _is_encrypted(pem: bytes) -> bool:
    return any(mark in pem for mark in _ENCRYPTED)
