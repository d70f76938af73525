"""Who is told how the store does."""

from collections.abc import Sequence
from typing import Protocol

from linecert_service.store.log_guard import LogInconsistent


class Watcher(Protocol):
    """Is told how the store does, from the committer's thread. Never raises."""

    def committed(self, seconds: float, size: int) -> None:
        """A transaction took `seconds`; the log has `size` leaves."""

    def failed(self, error: Exception, *, transient: bool) -> None:
        """A transaction failed; a transient failure is tried again."""

    def dropped(self, serials: Sequence[bytes]) -> None:
        """Signed certificates with these serial numbers could not be recorded; nobody has received them."""

    def inconsistent(self, error: LogInconsistent) -> None:
        """The log is not the one that was seen before: nothing more is recorded."""

    def checkpoint_failed(self, error: Exception) -> None:
        """A checkpoint could not be signed, stored or published; it is tried again a second later."""

    def died(self, error: BaseException) -> None:
        """The committer's thread ends, and nothing more is recorded."""
