"""Servers that die where a test wants it; see `support.faulty_server` for the points."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from support.installations import Installation
from support.server import START_SECONDS, ServerProcess

READ_ONLY: Final = "read-only"
"""Armed, it makes SQLite refuse to write, with the error that a file on a read-only file system gives."""

_SCRIPT: Final = Path(__file__).with_name("faulty_server.py")


class FaultyServer(ServerProcess):
    """A server process with fault points. Not running before `start`."""

    def __init__(self, installation: Installation) -> None:
        self._armed = installation.folder / "fault"
        self.arm("")
        # -P: the folder of the script holds modules of other names' sake.
        super().__init__(installation, program=(sys.executable, "-P", str(_SCRIPT), str(self._armed)))

    def arm(self, point: str) -> None:
        """Let it die at a point, from now on; at none when that is empty."""
        # In one step: the server reads it all the time.
        new = self._armed.with_suffix(".new")
        new.write_text(point)
        new.replace(self._armed)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        assert self.process is not None
        self.process.terminate()

    async def dies(self) -> None:
        """Wait until it has killed itself, and disarm it."""
        assert self.process is not None
        assert await asyncio.to_thread(self.process.wait, START_SECONDS) == -signal.SIGKILL
        self.arm("")


@contextlib.contextmanager
def faulty(installation: Installation) -> Iterator[FaultyServer]:
    """A server with fault points that serves, ended with the block however that ends."""
    server = FaultyServer(installation)
    try:
        server.start()
        yield server
    finally:
        server.close()
