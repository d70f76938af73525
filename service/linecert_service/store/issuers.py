"""The issuers that the store knows: their chains, and the numbers that rows name them by."""

import hashlib
import threading
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, Engine, func, select

from linecert_service.store.rows import join_chain, split_chain
from linecert_service.store.schema import ISSUERS


class KnownIssuer(NamedTuple):
    """An issuer as the store has it; the chain is DER, issuer first and root last."""

    id: int
    sha256: bytes
    chain: tuple[bytes, ...]


class Issuers:
    """Issuers by number and by certificate hash. They only ever become more, so what was read once stays true."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_id: dict[int, KnownIssuer] = {}
        self._by_sha256: dict[bytes, KnownIssuer] = {}
        self._reading = threading.Lock()

    def add(self, chain: Sequence[x509.Certificate], now: float) -> bool:
        """Make sure that the store knows this issuer; True when it is new to it. `now` in seconds since 1970."""
        issuer = chain[0]
        sha256 = hashlib.sha256(issuer.public_bytes(Encoding.DER)).digest()
        key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with self._engine.begin() as connection:
            new = not self._known(connection, sha256)
            if new:
                number = connection.scalar(select(func.coalesce(func.max(ISSUERS.c.id), 0) + 1))
                connection.execute(
                    ISSUERS.insert().values(
                        id=number,
                        certificate_sha256=sha256,
                        key_sha256=hashlib.sha256(key).digest(),
                        chain=join_chain(chain),
                        added_at=int(now * 1_000_000),
                    )
                )
        self._read()
        return new

    def id_of(self, sha256: bytes) -> int:
        """The store's number for the issuer with this certificate hash.

        Raises:
            KeyError: the store does not know it.
        """
        return self._by_sha256[sha256].id

    def sha256_of(self, number: int) -> bytes:
        """The certificate hash of the issuer with this number.

        Raises:
            KeyError: the store does not know it.
        """
        if number not in self._by_id:
            # Another server on the same database has added it.
            self._read()
        return self._by_id[number].sha256

    def chain_of(self, sha256: bytes) -> tuple[bytes, ...]:
        """DER of the issuer's certificate and those above it, root last.

        Raises:
            KeyError: the store does not know it.
        """
        return self._by_sha256[sha256].chain

    def _known(self, connection: Connection, sha256: bytes) -> bool:
        query = select(ISSUERS.c.id).where(ISSUERS.c.certificate_sha256 == sha256)
        return connection.scalar(query) is not None

    def _read(self) -> None:
        query = select(ISSUERS.c.id, ISSUERS.c.certificate_sha256, ISSUERS.c.chain)
        with self._reading, self._engine.connect() as connection:
            for number, sha256, chain in connection.execute(query):
                known = KnownIssuer(number, sha256, split_chain(chain))
                self._by_id[number] = self._by_sha256[sha256] = known
