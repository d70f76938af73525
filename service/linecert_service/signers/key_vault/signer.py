"""A CA key in Azure Key Vault or in a managed HSM."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from azure.keyvault.keys.crypto import SignatureAlgorithm
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.domain.key_identifiers import KeyIdentifier
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.signers.gate import Gate
from linecert_service.signers.key_vault import limits
from linecert_service.signers.key_vault.condition import Condition
from linecert_service.signers.key_vault.connection import Connection
from linecert_service.signers.remote_keys import remote_key

WORKERS: Final = 16
"""Threads: with a vault that takes 30 ms, 517 signatures a second."""

T = TypeVar("T")

_RSA: Final = {
    "sha256": SignatureAlgorithm.rs256,
    "sha384": SignatureAlgorithm.rs384,
    "sha512": SignatureAlgorithm.rs512,
}
_EC: Final = {
    (256, "sha256"): SignatureAlgorithm.es256,
    (384, "sha384"): SignatureAlgorithm.es384,
}


class KeyVaultSigner:
    """Signs with a key in a vault; see `domain.ports.Signer`.

    Args:
        identifier: which version of which key.
        limit: signatures in any ten seconds; None: the share `limits.SHARE` of what Azure documents for the key.

    Raises:
        SignerBusy: the vault was not reached, or wants to be asked later.
        SignerUnavailable: the key cannot be read, or may not sign.
    """

    def __init__(self, identifier: KeyIdentifier, limit: int | None = None) -> None:
        self.workers = WORKERS
        self._connection = Connection(identifier, WORKERS)
        try:
            key = self._connection.read()
        except BaseException:
            self._connection.close()
            raise
        self._public_key = key.public_key
        self.private_key: CaPrivateKey = remote_key(key.public_key, self._sign_digest)
        self.limit = limit if limit is not None else limits.default(key)
        """Signatures in any ten seconds."""
        self._gate = Gate(self.limit, WORKERS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._condition = Condition(str(identifier), self._look)

    async def in_turn(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Await `attempt` within the limit, and again while the vault is busy."""
        self._loop = asyncio.get_running_loop()
        again = False
        while True:
            await self._gate.enter(deadline, again=again)
            try:
                result = await attempt()
            except SignerBusy as busy:
                self._gate.failed(busy)
                again = True
            except SignerUnavailable:
                # It answers, though with a refusal: nobody has to wait for it.
                self._gate.succeeded()
                raise
            else:
                self._gate.succeeded()
                return result
            finally:
                self._gate.leave()

    def check(self) -> None:
        """Tell what is known of the key; the vault is looked at in the background, seldom, and counts that."""
        self._condition.check()

    def close(self) -> None:
        """Close the connections."""
        self._condition.close()
        self._connection.close()

    def _look(self) -> None:
        """Read the key, in a thread of its own, and have the event loop count it."""
        if self._loop is None:
            # Nobody has come to the gate yet.
            self._gate.spend()
        else:
            # A loop that has ended lets nobody through any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._gate.spend)
        self._connection.read()

    def _sign_digest(self, digest: bytes, algorithm: HashAlgorithm) -> bytes:
        asked = self._algorithm(algorithm)
        try:
            signature = self._connection.sign(asked, digest)
        except SignerUnavailable as fault:
            self._condition.heard(fault)
            raise
        self._condition.heard(None)
        return signature

    def _algorithm(self, digest: HashAlgorithm) -> SignatureAlgorithm:
        if isinstance(self._public_key, RSAPublicKey):
            found = _RSA.get(digest.name)
        else:
            found = _EC.get((self._public_key.key_size, digest.name))
        if found is None:
            raise UnsupportedAlgorithm(f"Key Vault does not sign {digest.name} digests with this kind of key")
        return found
