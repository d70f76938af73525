"""The log's own key: made anew for each epoch, with its verifier key added to those that auditors know."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from linecert.transparency import VerifierKey
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import files
from linecert_service.installation.layout import Layout
from linecert_service.signers import key_file


def load(path: Path) -> Ed25519PrivateKey:
    """The log's key.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    key = key_file.load(path, None, allow_plain=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"log.key: {path} is no Ed25519 key: name the log's own key, or begin a new epoch with "
            "`linecert-server log new-epoch`"
        )
    return key


def verifier_keys(settings: Settings) -> list[str]:
    """What auditors verify the log with, the current epoch's first; empty where the file is gone."""
    with contextlib.suppress(OSError):
        return Layout(settings.folder).log_pub.read_text(encoding="utf-8").split()
    return []


@contextlib.contextmanager
def replacing(settings: Settings) -> Iterator[Ed25519PrivateKey]:
    """A new key, which lies beside the old one while it is used for the first time.

    An interruption leaves it there, and the next attempt goes on with it: it may have signed already.
    """
    beside = settings.log.key.with_name(settings.log.key.name + ".new")
    if not beside.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.write_new(beside, pem, files.PRIVATE)
    yield load(beside)
    beside.replace(settings.log.key)


def announce(settings: Settings, key: VerifierKey) -> None:
    """Put the verifier key of a new epoch before the others."""
    path = Layout(settings.folder).log_pub
    path.touch(files.PUBLIC)
    keys = dict.fromkeys((str(key), *verifier_keys(settings)))
    files.replace(path, "".join(f"{each}\n" for each in keys).encode())
