"""The places where `linecert-server issuer request` can make a key, as its options name them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from support import softhsm
from support.key_vault.double import key_vault
from support.key_vault.model import VAULT_HOST
from support.softhsm import PIN

NAME: Final = "line-3"
"""The issuer that is made."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a new key.

    Attributes:
        options: of `issuer request`.
        reference: what the settings' key begins with afterwards.
    """

    options: tuple[str, ...]
    reference: str


MakePlace = Callable[[Path, pytest.MonkeyPatch], Iterator[Place]]


def in_file(_folder: Path, _environment: pytest.MonkeyPatch) -> Iterator[Place]:
    """A file beside that of the first issuer."""
    yield Place((), f"file:pki/{NAME}.key.pem")


def in_token(folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Place]:
    """A SoftHSM token, whose PIN is in the environment."""
    token = softhsm.new_token(folder / "softhsm", environment)
    environment.setenv("LINECERT_ISSUER_LINE_3_PIN", PIN)
    yield Place(("--key", token.uri(NAME)), token.uri(NAME))


def in_vault(folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Place]:
    """The double of Key Vault."""
    with key_vault(folder / "vault", ec.generate_private_key(ec.SECP256R1())) as double:
        for name, value in double.environment.items():
            environment.setenv(name, value)
        place = f"https://{VAULT_HOST}/keys/{NAME}"
        yield Place(("--key", place), f"{place}/")


PLACES: Final = {"file": in_file, "token": in_token, "key-vault": in_vault}


@contextmanager
def place(kind: str, folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of this kind, gone with the block."""
    yield from PLACES[kind](folder, environment)
