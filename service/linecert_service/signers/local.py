"""A CA key in the memory of the service, from an encrypted file."""

import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.domain.ports import CaPrivateKey

INLINE: Final = 0

T = TypeVar("T")


class LocalSigner:
    """Signs with a key in memory; see `domain.ports.Signer`.

    An EC signature takes some 30 microseconds, less than handing it to a thread. RSA takes a millisecond and more, and
    runs outside the interpreter's lock: as many threads as cores make that much of it.

    Args:
        private_key: the key.
    """

    def __init__(self, private_key: CaPrivateKey) -> None:
        self.private_key: CaPrivateKey = private_key
        self.workers = (os.cpu_count() or 1) if isinstance(private_key, RSAPrivateKey) else INLINE

    async def in_turn(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:  # noqa: ARG002 - the port's
        """At once: a key in memory may be asked as often as one likes."""
        return await attempt()

    def check(self) -> None:
        """A key in memory is in reach."""

    def close(self) -> None:
        """Let go of the key."""
        del self.private_key
