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
"""The same while it cannot be used, or was missed; less than the pace of health probes: each of them looks."""
MISSED_SECONDS: Final = 1.0
"""Connections are lost now and then, many at once: the key is out of reach when it still is after this."""

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
        self._missed_at: float | None = None
        self._closed = False
        self._heard_at = monotonic()
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="key-vault-look")
        self._looking: Future[None] | None = None

    def check(self) -> None:
        """Tell what is known, and have a look at the key when that is old.

        Raises:
            SignerUnavailable: the key cannot be used.
        """
        if self._look_is_due():
            self._looking = self._looker.submit(self._look_once)
        # Other threads change it.
        if (fault := self._fault) is not None:
            raise fault

    def heard(self, fault: SignerUnavailable | None) -> None:
        """Note what came of a signature or a look; None: it went well. Any thread may call it."""
        with self._lock:
            if self._closed:
                return
            self._heard_at = self._monotonic()
            before, self._fault = self._fault, self._judged(fault)
            fault = self._fault
        if fault is not None and str(fault) != str(before):
            _log.error("CA key unusable", key=self._key, problem=fault.message, cause=_cause(fault))
        elif fault is None and before is not None:
            _log.info("CA key usable again", key=self._key)

    def close(self) -> None:
        """Look no more. Does not wait for a look under way, of which nothing is heard any more."""
        with self._lock:
            self._closed = True
        self._looker.shutdown(wait=False, cancel_futures=True)

    def _judged(self, fault: SignerUnavailable | None) -> SignerUnavailable | None:
        """What the key's state is after a fault; None: usable."""
        if not isinstance(fault, SignerBusy) or fault.throttled:
            # The vault answered. Where it throttles, it does what it was asked to.
            self._missed_at = None
            return None if isinstance(fault, SignerBusy) else fault
        if self._missed_at is None:
            self._missed_at = self._heard_at
        lasting = self._heard_at - self._missed_at >= MISSED_SECONDS
        return fault if lasting or self._fault is not None else None

    def _look_is_due(self) -> bool:
        if self._looking is not None and not self._looking.done():
            return False
        # That it may be read does not say that it may sign: let some time pass before a call tries again.
        in_doubt = self._fault is not None or self._missed_at is not None
        visible = in_doubt and not isinstance(self._fault, NoPermission)
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
