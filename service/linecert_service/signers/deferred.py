"""A CA key that was out of reach when it was to be opened first, and is opened as soon as it can be."""

import threading
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from linecert_service.domain.errors import ConfigurationError, KeyOutOfReach, SignerUnavailable
from linecert_service.domain.ports import CaPrivateKey, Signer

T = TypeVar("T")

_FOR_CALLERS: Final = "the CA key has been out of reach since the service started: send again with the same request_id"


class DeferredSigner:
    """Signs once its key could be opened; see `domain.ports.Signer`. Each look at it tries that, one at a time.

    Args:
        open_key: opens the key, and checks that it is the right one. Blocks, and is called in the thread of a look.
        away: why it could not be opened so far.
        workers: how many threads sign with it at once.
    """

    def __init__(self, open_key: Callable[[], Signer], away: KeyOutOfReach, workers: int) -> None:
        self.workers = workers
        self.problem = str(away)
        """Why it was not opened at the last attempt, for operators."""
        self._open_key = open_key
        self._opened: Signer | None = None
        self._hopeless = False
        self._closed = False
        self._trying = threading.Lock()
        # Apart from the one above, so that an attempt that hangs does not hold up the end.
        self._changing = threading.Lock()

    @property
    def private_key(self) -> CaPrivateKey:
        """The key's, once it is open.

        Raises:
            SignerUnavailable: it is not.
        """
        return self._signer().private_key

    async def in_turn(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """As the key's signer has it, once it is open."""
        return await self._signer().in_turn(attempt, deadline)

    def check(self) -> None:
        """Look whether the key is in reach; open it when that has not been done.

        Raises:
            SignerUnavailable: it is not.
        """
        if self._opened is None:
            self._try()
        if self._opened is None:
            raise SignerUnavailable(self.problem)
        self._opened.check()

    def close(self) -> None:
        """Give the key up, and open it no more."""
        with self._changing:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def _signer(self) -> Signer:
        if self._opened is None:
            raise SignerUnavailable(_FOR_CALLERS)
        return self._opened

    def _try(self) -> None:
        if not self._trying.acquire(blocking=False):
            return
        try:
            if self._opened is None and not self._hopeless and not self._closed:
                self._take(self._open_key())
        except ConfigurationError as error:
            # A PIN that is refused is given once: a token locks itself after a few.
            self._hopeless = not isinstance(error, KeyOutOfReach)
            self.problem = f"{error}; it is not tried again before a restart" if self._hopeless else str(error)
        finally:
            self._trying.release()

    def _take(self, signer: Signer) -> None:
        with self._changing:
            if self._closed:
                signer.close()
            else:
                self._opened = signer
