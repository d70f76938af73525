"""The request_id of a device's request, kept beside its files: a repeat after a crash is the same request.

What makes two requests the same is what the service hashes for it: the registration ID, the key, and the wishes. The
journal is on the disk before the first call.
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from linecert_client import outputs
from linecert_client.errors import MOVE_AWAY, OutputError

_VERSION: Final = 1


class Journal:
    """One `<id>.request.json`.

    Args:
        path: of the file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def request_id(self, request: Mapping[str, str], wanted: str | None = None) -> str:
        """The request_id of `request`: the one noted when it was made before, else a new one, noted now.

        Args:
            request: what makes two requests the same.
            wanted: a request_id that the caller insists on.

        Raises:
            OutputError: the file cannot be read or written, or is no journal.
        """
        noted = self._noted(request)
        if noted and wanted in (None, noted):
            return noted
        request_id = wanted or str(uuid.uuid4())
        entry = {"version": _VERSION, "request_id": request_id, "request": dict(request)}
        outputs.write(self._path, json.dumps(entry, indent=2).encode() + b"\n")
        return request_id

    def knows(self, request: Mapping[str, str]) -> bool:
        """Whether `request` is the one that was made last.

        Raises:
            OutputError: the file cannot be read, or is no journal.
        """
        return self._noted(request) is not None

    def _noted(self, request: Mapping[str, str]) -> str | None:
        data = outputs.read(self._path)
        if data is None:
            return None
        try:
            entry = json.loads(data)
            version, noted, request_id = entry["version"], entry["request"], str(uuid.UUID(entry["request_id"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise OutputError(self._path, "is not a request journal", advice=MOVE_AWAY) from None
        if version != _VERSION:
            raise OutputError(self._path, "is the journal of another version of linecert", advice=MOVE_AWAY)
        return request_id if noted == dict(request) else None
