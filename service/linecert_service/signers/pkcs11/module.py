"""A PKCS#11 module: loaded once a process, shared by the issuers whose tokens it serves, and started anew after a loss.

Sessions, object handles and logins belong to one run of the module. `run` numbers the runs: what was opened in an
earlier one is dropped, never closed, since its handle may mean another session by now.
"""

import contextlib
import threading
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

import pkcs11
from pkcs11.exceptions import PinIncorrect, PKCS11Error, UserAlreadyLoggedIn

from linecert_service.signers.pkcs11.logins import RefusedPins
from linecert_service.signers.pkcs11.native import NativeModule
from linecert_service.signers.pkcs11.turns import Busy, Turns

PATIENCE_SECONDS: Final = 5.0
"""For calls into the module to end before it is started anew, and for that to be done."""


@dataclass(frozen=True, slots=True)
class _Login:
    """A session that keeps a token logged in, and the PIN that it took."""

    session: pkcs11.Session
    pin: str = field(repr=False)


class Module:
    """A PKCS#11 library in this process; made by `open`.

    Attributes:
        library: python-pkcs11's view of it.
        run: the number of times that it was started anew.
    """

    _loaded: ClassVar[dict[str, "Module"]] = {}
    _loading: ClassVar[threading.RLock] = threading.RLock()
    _refused: ClassVar[dict[str, RefusedPins]] = {}

    def __init__(self, path: str) -> None:
        self._path = path
        self._native = NativeModule(path)
        self._turns = Turns()
        self._users = 0
        self._logins: dict[int, _Login] = {}
        self._pins = self._refused.setdefault(path, RefusedPins())
        self._logging_in = threading.Lock()
        self.run = 0
        self.library = pkcs11.lib(path)
        # Started by python-pkcs11 for a single thread: see `native`.
        self._started = True
        self._start_anew()

    @classmethod
    def open(cls, path: str) -> Self:
        """The module at `path`; `close` it in the end.

        Raises:
            OSError: there is no such module.
            PKCS11Error: it does not start.
        """
        with cls._loading:
            module = cls._loaded.get(path)
            if module is None:
                module = cls._loaded[path] = cls(path)
            module._users += 1
            return module  # type: ignore[return-value]  # nobody subclasses it

    def close(self) -> None:
        """Leave it; the last one ends it."""
        with self._loading:
            self._users -= 1
            if self._users:
                return
            del self._loaded[self._path]
            # A call that hangs keeps the module from being ended; `bootstrap.serve` ends the process all the same.
            with contextlib.suppress(Busy), self._turns.alone(PATIENCE_SECONDS):
                self._stop()

    def using(self) -> contextlib.AbstractContextManager[None]:
        """Keeps the module from being started anew while it is used; raises Busy when that takes too long."""
        return self._turns.shared(2 * PATIENCE_SECONDS)

    def start_anew(self, seen: int) -> None:
        """End all sessions and start again, if nobody has done so since run number `seen`.

        Raises:
            Busy: a call into the module does not end.
            PKCS11Error: it does not start.
        """
        with self._turns.alone(PATIENCE_SECONDS):
            if self.run == seen:
                self._start_anew()

    def log_in(self, token: pkcs11.Token, pin: str) -> None:
        """Log in to a token, once for all sessions of this run.

        A login is the application's, and lasts as long as one of its sessions (PKCS#11 v3.1, 5.6.8): the one that
        logged in is kept. A PIN that the token has refused is not shown to it again, whoever comes with it.

        Raises:
            PKCS11Error: the token refuses the PIN, or has before, is locked or has one try left, or another issuer came
                with another PIN.
        """
        with self._logging_in:
            slot = token.slot.slot_id
            if slot not in self._logins:
                with self._pins.asking(token, pin):
                    self._logins[slot] = _Login(_logged_in(token, pin), pin)
            elif self._logins[slot].pin != pin:
                raise PinIncorrect("another issuer has logged in to this token with another PIN")

    def _start_anew(self) -> None:
        self._stop()
        self.run += 1
        if code := self._native.initialize():
            raise PKCS11Error(f"C_Initialize returned 0x{code:08x}")
        self._started = True

    def _stop(self) -> None:
        self._logins.clear()
        if self._started:
            # Whatever it says, all that can be done next is to start it.
            self._native.finalize()
            self._started = False


def _logged_in(token: pkcs11.Token, pin: str) -> pkcs11.Session:
    try:
        return token.open(user_pin=pin)
    except UserAlreadyLoggedIn:
        return token.open()
