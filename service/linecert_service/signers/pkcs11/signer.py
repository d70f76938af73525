"""Signs with a key in a token: a session for each thread, and a new start of the module when the token was lost."""

import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pkcs11
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import Attribute, Mechanism
from pkcs11 import exceptions as pkcs11_errors
from pkcs11.exceptions import PKCS11Error

from linecert_service.domain.errors import RETRY_AFTER_SECONDS, SignerUnavailable
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.signers.pkcs11 import lookup
from linecert_service.signers.pkcs11.module import Module
from linecert_service.signers.pkcs11.turns import Busy
from linecert_service.signers.pkcs11.uri import Pkcs11Uri
from linecert_service.signers.remote_keys import remote_key

Result = TypeVar("Result")

PIN_REFUSED: Final = (
    pkcs11_errors.PinIncorrect,
    pkcs11_errors.PinInvalid,
    pkcs11_errors.PinLenRange,
    pkcs11_errors.PinLocked,
    pkcs11_errors.PinExpired,
    pkcs11_errors.UserPinNotInitialized,
)
"""The token does not take the PIN. Each further try would bring it closer to locking itself."""

_LOST: Final = (
    pkcs11_errors.DeviceError,
    pkcs11_errors.DeviceRemoved,
    pkcs11_errors.FunctionFailed,
    pkcs11_errors.GeneralError,
    pkcs11_errors.KeyHandleInvalid,
    pkcs11_errors.NoSuchKey,
    pkcs11_errors.NoSuchToken,
    pkcs11_errors.ObjectHandleInvalid,
    pkcs11_errors.SessionClosed,
    pkcs11_errors.SessionHandleInvalid,
    pkcs11_errors.SlotIDInvalid,
    pkcs11_errors.TokenNotPresent,
    pkcs11_errors.TokenNotRecognised,
    pkcs11_errors.UserNotLoggedIn,
)

# DigestInfo up to the digest (RFC 8017, 9.2, note 1): with CKM_RSA_PKCS every token signs, and sees the digest only.
_DIGEST_INFO: Final[Mapping[str, bytes]] = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}

FRESH_SECONDS: Final = 5.0
"""For so long a signature says as much as a look does."""

_log = structlog.get_logger("linecert.signer")


@dataclass(frozen=True, slots=True)
class _Session:
    """A session with the key in it.

    Attributes:
        run: of the module, in which it was opened.
        pin: for each signature, where the token wants it.
    """

    session: pkcs11.Session
    key: Any  # pkcs11.PrivateKey, whose `sign` its types do not know
    run: int
    pin: str | None = field(repr=False)


class Pkcs11Signer:
    """Signs with a key in a token; see `domain.ports.Signer`.

    As many threads as `workers` sign at once, each in a session of its own that is opened when it is first needed; a
    look has one more. When the token was lost (taken out, reset, a session that timed out), the module is started anew,
    once, and the signature tried again; when that does not help, calls are refused at once for a second, and the next
    one, or the next look of the health monitor, tries again.

    Args:
        module: the PKCS#11 library, opened for this signer, which closes it, also when it raises.
        uri: which key.
        pin: of the token; None where it wants none.
        workers: how many threads sign at once.

    Raises:
        PKCS11Error: the token, its login or the key is not as it should be.
        UnsupportedAlgorithm, ValueError: the key is of a kind that cannot issue.
    """

    def __init__(self, module: Module, uri: Pkcs11Uri, pin: str | None, workers: int) -> None:
        self.workers = workers
        self._module = module
        self._uri = uri
        self._pin = pin
        self._places = threading.BoundedSemaphore(workers)
        self._idle: list[_Session] = []
        self._looking = threading.Lock()
        self._signed_at = -math.inf
        self._down_until = 0.0
        self._trouble: str | None = None
        self._hopeless = False
        self._closed = False
        try:
            public_key = self._attempt(lambda held: lookup.public_key_of(held.key))
            self.may_leave = self._attempt(lambda held: lookup.may_leave(held.key))
            """Whether the token would hand the key out."""
        except BaseException:
            self.close()
            raise
        sign = self._sign_rsa if isinstance(public_key, RSAPublicKey) else self._sign_ec
        self.private_key: CaPrivateKey = remote_key(public_key, sign)

    async def in_turn(self, attempt: Callable[[], Awaitable[Result]], deadline: float) -> Result:  # noqa: ARG002 - the port's
        """At once: a token may be asked as often as one likes."""
        return await attempt()

    def check(self) -> None:
        """Look whether the token is there and shows the key; start the module anew when not.

        A signature of the last `FRESH_SECONDS` is as good as a look. A look takes no place of those that sign, where it
        would have to wait behind them: it has a session beside theirs.

        Raises:
            SignerUnavailable: it is out of reach.
        """
        # A look that hangs in the module is not joined by a second one.
        if not self._looking.acquire(blocking=False):
            raise self._unavailable("the last look at it has not come back")
        try:
            if not self._has_just_signed():
                self._down_until = 0.0
                self._use(_look)
        finally:
            self._looking.release()

    def close(self) -> None:
        """End the sessions and leave the module."""
        if not self._closed:
            self._closed = True
            while self._idle:
                _end(self._idle.pop(), self._module.run)
            self._module.close()

    def _sign_ec(self, digest: bytes, _algorithm: hashes.HashAlgorithm) -> bytes:
        return self._sign_in_place(lambda held: _sign(held, digest, Mechanism.ECDSA))

    def _sign_rsa(self, digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        prefix = _DIGEST_INFO.get(algorithm.name)
        if prefix is None:
            raise UnsupportedAlgorithm(f"an issuer's RSA key signs with {', '.join(_DIGEST_INFO)}")
        return self._sign_in_place(lambda held: _sign(held, prefix + digest, Mechanism.RSA_PKCS))

    def _sign_in_place(self, what: Callable[[_Session], bytes]) -> bytes:
        with self._places:
            signature = self._use(what)
        self._signed_at = time.monotonic()
        return signature

    def _use(self, what: Callable[[_Session], Result]) -> Result:
        """Use the key, in a second attempt after the module was started anew."""
        self._refuse_while_down()
        seen = self._module.run
        try:
            try:
                result = self._attempt(what)
            except PKCS11Error as error:
                if not _is_lost(error):
                    raise
                self._module.start_anew(seen)
                result = self._attempt(what)
        except (PKCS11Error, Busy) as error:
            raise self._down(error) from error
        self._up()
        return result

    def _attempt(self, what: Callable[[_Session], Result]) -> Result:
        with self._module.using():
            held = self._take()
            try:
                result = what(held)
            except BaseException:
                _end(held, self._module.run)
                raise
            self._idle.append(held)
            return result

    def _take(self) -> _Session:
        while (held := self._idle_one()) is not None:
            if held.run == self._module.run:
                return held
        return self._open()

    def _idle_one(self) -> _Session | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _open(self) -> _Session:
        token = lookup.token_of(self._module.library, self._uri)
        if self._pin is not None:
            self._module.log_in(token, self._pin)
        session = token.open()
        try:
            key = lookup.private_key_of(session, self._uri)
            pin = self._pin if lookup.asks_each_time(key) else None
        except BaseException:
            _close(session)
            raise
        return _Session(session, key, self._module.run, pin)

    def _has_just_signed(self) -> bool:
        return not self._closed and not self._hopeless and time.monotonic() - self._signed_at <= FRESH_SECONDS

    def _refuse_while_down(self) -> None:
        if self._closed:
            raise self._unavailable("it was closed")
        if self._hopeless or time.monotonic() < self._down_until:
            raise self._unavailable(self._trouble or "it was lost")

    def _down(self, error: Exception) -> SignerUnavailable:
        self._signed_at = -math.inf
        self._down_until = time.monotonic() + RETRY_AFTER_SECONDS
        if self._hopeless:
            # Whatever another thread meets after that, the PIN is what is to be seen to.
            return self._unavailable(self._trouble or named(error))
        trouble = named(error)
        if isinstance(error, PIN_REFUSED):
            self._hopeless = True
        if self._trouble != trouble:
            _log.error("token out of reach", key=str(self._uri), error=trouble)
        self._trouble = trouble
        return self._unavailable(trouble)

    def _up(self) -> None:
        if self._trouble is not None and not self._hopeless:
            self._trouble = None
            _log.info("token in reach again", key=str(self._uri))

    def _unavailable(self, trouble: str) -> SignerUnavailable:
        remedy = "correct the PIN and restart" if self._hopeless else "it is tried again by itself"
        return SignerUnavailable(f"the token of the CA key does not sign ({trouble}): {remedy}")


def _sign(held: _Session, data: bytes, mechanism: Mechanism) -> bytes:
    return bytes(held.key.sign(data, mechanism=mechanism, pin=held.pin))


def _look(held: _Session) -> Any:
    held.session.token.slot.get_token()
    return held.key[Attribute.KEY_TYPE]


def named(error: Exception) -> str:
    """What a module or token says, by the name of the error: texts of tokens are not ours."""
    # What python-pkcs11 has no class for, such as CKR_CRYPTOKI_NOT_INITIALIZED, is the bare base class with a text of
    # its own.
    return str(error) if type(error) is PKCS11Error else type(error).__name__


def _is_lost(error: PKCS11Error) -> bool:
    return isinstance(error, _LOST) or type(error) is PKCS11Error


def _end(held: _Session, run: int) -> None:
    if held.run == run:
        _close(held.session)


def _close(session: pkcs11.Session) -> None:
    try:
        session.close()
    except PKCS11Error:
        # It is gone already.
        return
