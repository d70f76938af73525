"""Lines on their way to a stream: gathered, and written together by a thread.

A write and flush for each line costs 32 to 50 microseconds, as much as a tenth of a certificate.
"""

import atexit
import contextlib
import threading
from typing import Final, TextIO

FLUSH_SECONDS: Final = 0.05
MAX_LINES: Final = 10_000
"""With so many lines waiting, because nobody reads the stream, who logs has to wait as well."""


class LogBuffer:
    """Gathers lines for `stream` and writes them every FLUSH_SECONDS. A stream that is gone stops nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._stream_lock = threading.Lock()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-buffer", daemon=True)
        self._thread.start()
        # A process that ends without close, by an exception, has the reason in its last lines.
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Take a line, without its newline."""
        with self._lock:
            self._lines.append(line)
            full = len(self._lines) >= MAX_LINES
        if full or self._closed.is_set():
            self.flush()
        elif not self._waiting.is_set():
            self._waiting.set()

    def flush(self) -> None:
        """Write now what was taken."""
        # Held while lines are taken and written, so that they stay in order; writers only ever wait for `_lock`.
        with self._stream_lock:
            with self._lock:
                lines, self._lines = self._lines, []
            if not lines:
                return
            # ValueError: the stream is closed.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def close(self) -> None:
        """Write what was taken; from now on each line is written at once."""
        self._closed.set()
        self._waiting.set()
        self._thread.join()
        self.flush()
        atexit.unregister(self.close)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._waiting.wait()
            self._closed.wait(FLUSH_SECONDS)
            self._waiting.clear()
            self.flush()
