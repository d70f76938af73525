"""What has to be on the disk before a certificate is asked for: key, CSR, and the journal with the request_id."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from linecert_client.device_files import DeviceFiles
from linecert_client.errors import MOVE_AWAY, OutputError
from linecert_client.keys import KeyType
from linecert_client.results import ReplacementReason
from linecert_client.wishes import Wishes

_NEEDS_NEW_KEY: Final = frozenset({ReplacementReason.REWORK, ReplacementReason.KEY_COMPROMISE})


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is on the disk, ready to be sent."""

    csr: bytes
    public_key: PublicKeyTypes
    request_id: str


def with_csr(
    files: DeviceFiles, csr: bytes, public_key: PublicKeyTypes, wishes: Wishes, wanted: str | None
) -> Prepared:
    """Prepare for a CSR that the device made.

    Args:
        files: of the device.
        csr: its CSR.
        public_key: in the CSR.
        wishes: what is asked for.
        wanted: a request_id that the caller insists on.

    Raises:
        OutputError: a file holds something else, or cannot be read or written.
    """
    files.check_chain(public_key, replacing=wishes.reason is not None)
    return Prepared(csr, public_key, files.request_id(public_key, wishes.journal_fields(), wanted))


def with_key(files: DeviceFiles, key_type: KeyType | None, wishes: Wishes, wanted: str | None) -> Prepared:
    """Prepare with a key and a CSR of the station's making; those that are there already are used.

    Args:
        files: of the device.
        key_type: of the key; None for the one that is there, else P-256.
        wishes: what is asked for.
        wanted: a request_id that the caller insists on.

    Raises:
        OutputError: a file holds something else, or cannot be read or written.
    """
    key = files.key(key_type)
    public_key = key.public_key()
    files.check_chain(public_key, replacing=wishes.reason is not None)
    repeated = files.was_asked(public_key, wishes.journal_fields())
    if wishes.reason in _NEEDS_NEW_KEY and files.chain_path.exists() and not repeated:
        raise OutputError(
            files.key_path,
            f"is the key of the certificate to be replaced; {wishes.reason} needs a new one",
            advice=MOVE_AWAY,
        )
    return Prepared(files.csr(key), public_key, files.request_id(public_key, wishes.journal_fields(), wanted))
