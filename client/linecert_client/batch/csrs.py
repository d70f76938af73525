"""The CSR of a device of a batch, from its file."""

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from linecert_client import keys
from linecert_client.device_requests import MAX_CSR_SIZE, holds_private_key


class Csr(NamedTuple):
    """A CSR that can be read."""

    data: bytes
    registration_id: str
    public_key: PublicKeyTypes


def read(path: Path, stated: str | None) -> Csr:
    """The CSR in a file.

    Args:
        path: of the file.
        stated: whose it must be; None for anybody's.

    Raises:
        ValueError: there is none that can be sent, or it is another device's; the message names the file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CSR_SIZE + 1)
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    if holds_private_key(data):
        raise ValueError(f"{path}: holds a private key; a CSR file must hold the CSR alone")
    if len(data) > MAX_CSR_SIZE:
        raise ValueError(f"{path}: has more than {MAX_CSR_SIZE} bytes, which no CSR may have")
    found = keys.read_csr(data)
    if found is None:
        raise ValueError(f"{path}: holds no CSR (PKCS#10, PEM or DER) with one registration ID as its common name")
    if stated not in (None, found[0]):
        raise ValueError(f"{path}: is the CSR of another device than {stated}")
    return Csr(data, *found)
