"""What is known of a key in a vault: from what came of its signatures, and from a look at it now and then."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.signers.key_vault.failures import NoPermission

QUIET_SECONDS: Final = 60.0
"""How long nothing may be heard of the key before it is looked at."""
TROUBLED_SECONDS: Final = 4.0
"""The same while it cannot be used; less than the pace of health probes, so that each of them looks."""

_log = structlog.get_logger("linecert.signer")


class Condition:
    """Whether a key can be used, without trying.

    Args:
        key: what logs call it.
        look: reads the key; raises SignerUnavailable. Is called in a thread of its own.
        monotonic: seconds that never go back.
    """

    def __init__(self, key: str, look: Callable[[], object], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._look = look
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._fault: SignerUnavailable | None = None
        self._heard_at = monotonic()
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="key-vault-look")
        self._looking: Future[None] | None = None

    def check(self) -> bool:
        """Tell what is known, and have a look at the key when that is old. Returns whether one was begun.

        Raises:
            SignerUnavailable: the key cannot be used.
        """
        begun = self._look_is_due()
        if begun:
            self._looking = self._looker.submit(self._look_once)
        if self._fault is not None:
            raise self._fault
        return begun

    def heard(self, fault: SignerUnavailable | None) -> None:
        """Note what came of a signature or a look; None: it went well. Any thread may call it."""
        if isinstance(fault, SignerBusy) and fault.throttled:
            # It is there, and does what it was asked to.
            fault = None
        with self._lock:
            before, self._fault, self._heard_at = self._fault, fault, self._monotonic()
        if fault is not None and str(fault) != str(before):
            _log.error("CA key unusable", key=self._key, problem=fault.message, cause=_cause(fault))
        elif fault is None and before is not None:
            _log.info("CA key usable again", key=self._key)

    def close(self) -> None:
        """Look no more."""
        self._looker.shutdown(cancel_futures=True)

    def _look_is_due(self) -> bool:
        if self._looking is not None and not self._looking.done():
            return False
        # That it may be read does not say that it may sign: let some time pass before a call tries again.
        visible = self._fault is not None and not isinstance(self._fault, NoPermission)
        return self._monotonic() - self._heard_at >= (TROUBLED_SECONDS if visible else QUIET_SECONDS)

    def _look_once(self) -> None:
        try:
            self._look()
        except SignerUnavailable as fault:
            self.heard(fault)
        except Exception:  # noqa: BLE001 - nobody waits for it: it is told, and the next look may do better
            _log.exception("look at the CA key failed", key=self._key)
        else:
            self.heard(None)


def _cause(fault: SignerUnavailable) -> str:
    """The first line of what the SDK says; what follows are hints for developers."""
    text = str(fault.__cause__ or "")
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
