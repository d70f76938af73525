"""Epochs of a log: what may change when its key does, and what is lost when its database was restored.

The origin of a log is NAME/EPOCH. The first leaf of a new epoch is an event `epoch_started` that names the origin, size
and root before it, and why it began: `rotation` or `key-lost` (the tree goes on) or `restored` (from a backup: what the
old epoch had beyond it is lost).
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from linecert.transparency import LeafError

EPOCH_STARTED: Final = "epoch_started"
RESTORED: Final = "restored"
_REASONS: Final = frozenset({"rotation", "key-lost", RESTORED})
_ROOT_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """The name of a log, in its two parts."""

    name: str
    epoch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read NAME/EPOCH.

        Raises:
            ValueError: it has another form.
        """
        name, separator, epoch = text.rpartition("/")
        if not separator or not name or not (epoch.isascii() and epoch.isdecimal()):
            raise ValueError("a log's origin has the form NAME/EPOCH")
        return cls(name, int(epoch))

    def __str__(self) -> str:
        return f"{self.name}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class EpochStart:
    """An event `epoch_started`.

    Attributes:
        log_index: of the event: how many leaves the epoch took over.
        old_origin: of the epoch before.
        old_size: how many leaves that one had.
        old_root: its root.
        reason: `rotation`, `key-lost` or `restored`.
    """

    log_index: int
    old_origin: Origin
    old_size: int
    old_root: bytes
    reason: str

    @classmethod
    def read(cls, log_index: int, detail: object) -> Self:
        """Read the event's detail, from the leaf or from ListEvents.

        Raises:
            LeafError: it has another form.
        """
        if isinstance(detail, Mapping):
            with contextlib.suppress(KeyError, ValueError, TypeError):
                return cls._read(log_index, detail)
        raise LeafError("an event epoch_started whose detail has not the form that it needs")

    @classmethod
    def _read(cls, log_index: int, detail: Mapping[str, Any]) -> Self:
        size, root, reason = int(detail["old_size"]), bytes.fromhex(detail["old_root"]), str(detail["reason"])
        if size < 0 or len(root) * 2 != _ROOT_DIGITS or reason not in _REASONS:
            raise ValueError("out of range")
        return cls(log_index, Origin.parse(detail["old_origin"]), size, root, reason)

    @property
    def epoch(self) -> int:
        """The epoch that began."""
        return self.old_origin.epoch + 1

    @property
    def goes_on(self) -> bool:
        """Whether the tree went on, so that nothing may be lost."""
        return self.reason != RESTORED

    def precedes(self, other: "EpochStart") -> bool:
        """Whether `other` can be the next one: it ends this epoch, or one that was lost with a restore."""
        if self.old_origin.name != other.old_origin.name:
            return False
        return other.old_origin.epoch == self.epoch or (not other.goes_on and other.old_origin.epoch > self.epoch)

    def loss(self) -> str:
        """What a restored log lost, in a sentence."""
        lost = self.old_size - self.log_index
        gone = f"leaves {self.log_index} to {self.old_size - 1} are lost" if lost > 0 else "what it lost is unknown"
        return (
            f"epoch {self.epoch} began from a backup of {self.log_index} leaves, and {self.old_origin} had "
            f"{self.old_size}: {gone}"
        )
