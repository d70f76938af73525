"""Logs: one JSON object a line, on standard output.

structlog is what the service logs with; the libraries' logging joins it.

Every line has `time`, `level` and `event` first. Key material, CSRs and raw octets do not belong into a log; should a
caller pass some all the same, `_safe` keeps them out.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from linecert_service.observability.log_buffer import LogBuffer

LEVELS: Final = ("debug", "info", "warning", "error")
"""What `configure` takes."""

REDACTED: Final = "[redacted]"

_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class LogHandle:
    """The logs as configured; to be closed at the very end."""

    def __init__(self, buffer: LogBuffer, handler: logging.Handler) -> None:
        self._buffer = buffer
        self._handler = handler

    def flush(self) -> None:
        """Write what is buffered."""
        self._buffer.flush()

    def close(self) -> None:
        """Write what is buffered, and go back to the defaults."""
        logging.getLogger().removeHandler(self._handler)
        structlog.reset_defaults()
        self._buffer.close()


def configure(level: str = "info", stream: TextIO | None = None) -> LogHandle:
    """Send the logs of the whole process to `stream`, or to standard output.

    Of the libraries, warnings and worse are logged: below that, some print what passes through them.

    Args:
        level: the lowest that is logged, one of LEVELS.
        stream: where to.

    Raises:
        ValueError: the level is none of LEVELS.
    """
    if level not in LEVELS:
        raise ValueError(f"a log level is one of {', '.join(LEVELS)}")
    buffer = LogBuffer(stream or sys.stdout)
    # Loggers are not cached: one that was used before would go on writing to the stream of an earlier `configure`.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _LineLogger(buffer),
        cache_logger_on_first_use=False,
    )
    handler = _LibraryHandler(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger().addHandler(handler)
    return LogHandle(buffer, handler)


class _LineLogger:
    """What structlog writes to: the methods are its levels. An error is on the stream before anything else happens."""

    def __init__(self, buffer: LogBuffer) -> None:
        self._buffer = buffer
        self.debug = self.info = self.warning = buffer.write
        self.error = self.critical = self._write_at_once

    def _write_at_once(self, line: str) -> None:
        self._buffer.write(line)
        self._buffer.flush()


class _LibraryHandler(logging.Handler):
    """Passes what libraries log (grpc, sqlalchemy, asyncio) on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # Levels between the standard ones, and above them, count as the one below.
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        structlog.get_logger().log(level, _text_of(record), logger=record.name, exc_info=record.exc_info)


def _text_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a library's faulty logging call, such as one argument too few, stops nobody
        return "a log record whose arguments do not fit its text"


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """The line: `time`, `level` and `event` first, all values safe."""
    line = {"time": event.pop("time"), "level": event.pop("level"), "event": _safe(event.pop("event"))}
    for name, value in event.items():
        line[name] = _safe(value)
    return _encode(line)


def _safe(value: Any) -> Any:
    """`value` as JSON can carry it, without key material, CSRs and raw octets."""
    match value:
        case str():
            return REDACTED if "-----BEGIN" in value or "PRIVATE KEY" in value.upper() else value
        case None | int() | float():
            return value
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} octets]"
        case Mapping():
            return {str(_safe(name)): _safe(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(item) for item in value]
        case _:
            return _safe(repr(value))
