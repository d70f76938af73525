"""What the audit store's committer tells, as metrics, readiness and log lines."""

from collections.abc import Sequence
from typing import Final

import structlog

from linecert_service.observability.health import Readiness
from linecert_service.observability.metrics import Metrics

LASTING_FAILURES: Final = 3
"""So many transactions in a row that fail, and not for a while, are more than one bad entry."""

_log = structlog.get_logger("linecert.store")


class StoreWatch:
    """Watches the committer, from its thread.

    Args:
        metrics: where the commits are counted.
        readiness: falls while the store cannot write.
    """

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._failing = False
        self._lasting = 0

    def committed(self, seconds: float, size: int) -> None:
        """A transaction took `seconds`; the log has `size` leaves."""
        self._metrics.stage_done("commit", seconds)
        self._metrics.log_size.set(size)
        self._lasting = 0
        if self._failing:
            self._failing = False
            self._readiness.set("append", ok=True)

    def failed(self, error: Exception, *, transient: bool) -> None:
        """A transaction failed; a transient failure is tried again."""
        self._lasting = 0 if transient else self._lasting + 1
        # A failure that does not pass may be of one entry; several in a row are the store's.
        if transient or self._lasting >= LASTING_FAILURES:
            self._failing = True
            self._readiness.set("append", ok=False, why=f"the audit store does not record: {error}")
        log = _log.warning if transient else _log.error
        log("append failed", error=str(error), transient=transient, exc_info=None if transient else error)

    def inconsistent(self, error: Exception) -> None:
        """The log is not the one that was seen before. This never passes by itself."""
        self._readiness.set("log", ok=False, why=str(error))
        _log.critical("log inconsistent", error=str(error))

    def checkpoint_failed(self, error: Exception) -> None:
        """A checkpoint is late."""
        _log.error("checkpoint failed", error=str(error))

    def dropped(self, serials: Sequence[bytes]) -> None:
        """Signed certificates could not be recorded; nobody has received them."""
        _log.error("signed certificates dropped", serial_numbers=[serial.hex() for serial in serials])

    def died(self, error: BaseException) -> None:
        """Nothing more is recorded."""
        self._readiness.set("append", ok=False, why="the thread that records has ended: restart the service")
        _log.critical("committer ended", exc_info=error)
