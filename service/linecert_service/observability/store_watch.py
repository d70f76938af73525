"""What the audit store's committer tells, as metrics, readiness and log lines."""

import structlog

from linecert_service.observability.health import Readiness
from linecert_service.observability.metrics import Metrics

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

    def committed(self, seconds: float, size: int) -> None:
        """A transaction took `seconds`; the log has `size` leaves."""
        self._metrics.stage_done("commit", seconds)
        self._metrics.log_size.set(size)
        if self._failing:
            self._failing = False
            self._readiness.set("append", ok=True)

    def failed(self, error: Exception, *, transient: bool) -> None:
        """A transaction failed; a transient failure is tried again."""
        if transient:
            # Until what is tried again is recorded. A failure that does not pass is of one entry, not of the store.
            self._failing = True
            self._readiness.set("append", ok=False, why=f"the audit store does not record: {error}")
        log = _log.warning if transient else _log.error
        log("append failed", error=str(error), transient=transient, exc_info=None if transient else error)

    def checkpoint_failed(self, error: Exception) -> None:
        """A checkpoint is late."""
        _log.error("checkpoint failed", error=str(error))

    def ended(self, unrecorded: int) -> None:
        """The service ends with signed certificates that could not be recorded; nobody has received them."""
        _log.error("signed certificates dropped unrecorded", certificates=unrecorded)
