"""What an auditor remembers of a log between two visits: `verified.json` in the client's folder.

Without it nobody could tell whether the log was replaced in between: keep it, and back it up.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from linecert.transparency import Frontier
from linecert_client import outputs
from linecert_client.errors import MOVE_AWAY, OutputError

FILE_NAME: Final = "verified.json"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """What was verified last.

    Attributes:
        checkpoint: the signed note.
        frontier: of the leaves that were read; it may lag behind the checkpoint.
    """

    checkpoint: str
    frontier: Frontier

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What is remembered; None on the first visit.

        Raises:
            OutputError: the file cannot be read, or is none of this kind.
        """
        data = outputs.read(path)
        if data is None:
            return None
        try:
            return cls._from_json(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise OutputError(path, "is not what `linecert verify` remembers of a log", advice=MOVE_AWAY) from None

    @classmethod
    def _from_json(cls, value: Any) -> Self:
        if value["version"] != _VERSION:
            raise ValueError("of another version")
        leaves = value["leaves"]
        return cls(
            str(value["checkpoint"]), Frontier.from_bytes(int(leaves["size"]), bytes.fromhex(leaves["frontier"]))
        )

    def save(self, path: Path) -> None:
        """Remember, in the place of what was remembered before, in one step.

        Raises:
            OutputError: the file system refuses.
        """
        leaves = {"size": self.frontier.size, "frontier": self.frontier.to_bytes().hex()}
        value = {"version": _VERSION, "checkpoint": self.checkpoint, "leaves": leaves}
        outputs.write(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")
