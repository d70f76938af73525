"""The issuers that the store knows: their chains, and the numbers that rows name them by."""

import threading
from typing import NamedTuple

from sqlalchemy import Engine, select

from linecert_service.store.rows import split_chain
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

    def read(self) -> None:
        """Read them from the store. Raises SQLAlchemy's errors."""
        query = select(ISSUERS.c.id, ISSUERS.c.certificate_sha256, ISSUERS.c.chain)
        with self._reading, self._engine.connect() as connection:
            for number, sha256, chain in connection.execute(query):
                known = KnownIssuer(number, sha256, split_chain(chain))
                self._by_id[number] = self._by_sha256[sha256] = known

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
            self.read()
        return self._by_id[number].sha256

    def chains(self) -> dict[bytes, tuple[bytes, ...]]:
        """The chains of all that have been read, by certificate hash, the oldest first."""
        return {known.sha256: known.chain for _, known in sorted(self._by_id.copy().items())}

    def chain_of(self, sha256: bytes) -> tuple[bytes, ...]:
        """DER of the issuer's certificate and those above it, root last.

        Raises:
            KeyError: the store does not know it.
        """
        return self._by_sha256[sha256].chain
