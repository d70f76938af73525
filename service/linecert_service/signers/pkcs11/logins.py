"""Which PINs a token may be asked: after a few wrong ones it locks itself, and all its keys with it."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pkcs11
from pkcs11 import TokenFlag
from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PinLocked

_WRONG: Final = (PinIncorrect, PinInvalid, PinLenRange)


class FinalTry(PinIncorrect):
    """The token was not asked: one more wrong PIN would lock it."""


class RefusedPins:
    """The PINs that tokens have refused, for as long as this process lives: none is shown to its token again.

    It outlives signers, modules and their new starts: those that are opened again, by a reload or for another issuer,
    come with the same PIN.
    """

    def __init__(self) -> None:
        self._refused: set[tuple[int, bytes, bytes]] = set()
        self._asking = threading.Lock()
        # A PIN is short: a plain digest of it would be as good as the PIN.
        self._salt = os.urandom(32)

    @contextmanager
    def asking(self, token: pkcs11.Token, pin: str) -> Iterator[None]:
        """Holds a try to log in, one at a time; remembers when the token refuses the PIN.

        Raises:
            PinLocked: the token says that it is locked (CKF_USER_PIN_LOCKED), and is not asked.
            FinalTry: it says that it has one try left (CKF_USER_PIN_FINAL_TRY), and is not asked.
            PinIncorrect: it has refused this PIN before, and is not asked.
        """
        with self._asking:
            # Another token in the same slot has seen no PIN yet.
            key = (token.slot.slot_id, bytes(token.serial), self._digest(pin))
            if key in self._refused:
                raise PinIncorrect("the token has refused this PIN before")
            if TokenFlag.USER_PIN_LOCKED in token.flags:
                raise PinLocked
            if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
                raise FinalTry
            try:
                yield
            except _WRONG:
                self._refused.add(key)
                raise

    def _digest(self, pin: str) -> bytes:
        return hashlib.blake2b(pin.encode(), key=self._salt).digest()
