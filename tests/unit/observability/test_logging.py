"""What stands in the logs, and when."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
import structlog

from linecert_service.observability import log_buffer
from linecert_service.observability.log_buffer import LogBuffer
from linecert_service.observability.logging import LogHandle, configure

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"


def fail(error: Exception) -> NoReturn:
    """Raise `error`."""
    raise error


class Stream(io.StringIO):
    """A stream that tells when something was flushed to it."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = threading.Event()
        self.flushes = 0

    def flush(self) -> None:
        """Count."""
        self.flushes += 1
        self.flushed.set()

    def lines(self) -> list[dict[str, Any]]:
        """What was written, as JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stream() -> Stream:
    """Where the logs go."""
    return Stream()


@pytest.fixture
def logs(stream: Stream) -> Iterator[LogHandle]:
    """Logs of level info."""
    handle = configure("info", stream)
    yield handle
    handle.close()


@pytest.fixture
def written(logs: LogHandle, stream: Stream) -> Callable[[], list[dict[str, Any]]]:
    """Gives the lines logged so far."""

    def lines() -> list[dict[str, Any]]:
        logs.flush()
        return stream.lines()

    return lines


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the thread of a buffer made later from writing anything within the test."""
    monkeypatch.setattr(log_buffer, "FLUSH_SECONDS", 1000.0)


def test_a_line_is_json_in_a_known_order(logs: LogHandle, stream: Stream) -> None:
    """A line has time, level and event first, then what the caller gave."""
    structlog.get_logger().bind(station="ict-07").info("issued", serial="4f00", log_index=1)
    logs.flush()
    (line,) = stream.lines()
    assert list(line) == ["time", "level", "event", "station", "serial", "log_index"]
    assert (line["level"], line["event"], line["log_index"]) == ("info", "issued", 1)
    assert line["time"].endswith("Z")


def test_a_line_stays_a_line(written: Callable[[], list[dict[str, Any]]], stream: Stream) -> None:
    """Newlines and control characters in values cannot forge a line."""
    structlog.get_logger().info("a\nb", value="\r\n{}\x1b[31m\u2028")
    assert written()[0]["event"] == "a\nb"
    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    "value, expected",
    [
        (PEM, "[redacted]"),
        (PEM.lower(), "[redacted]"),
        ("-----BEGIN CERTIFICATE REQUEST-----", "[redacted]"),
        (PEM.encode(), f"[{len(PEM)} octets]"),
        (bytearray(3), "[3 octets]"),
        (memoryview(b"abc"), "[3 octets]"),
        ([PEM, b"a", 1], ["[redacted]", "[1 octets]", 1]),
        ({"a": {PEM: (PEM,)}}, {"a": {"[redacted]": ["[redacted]"]}}),
        (ValueError(PEM), "[redacted]"),
        (ValueError("harmless"), "ValueError('harmless')"),
        (None, None),
        (True, True),
        (1.5, 1.5),
    ],
)
def test_secrets_are_kept_out(written: Callable[[], list[dict[str, Any]]], value: object, expected: object) -> None:
    """Key material, CSRs and raw octets do not reach a log, wherever in a value they are."""
    structlog.get_logger().info("event", value=value)
    assert written()[0]["value"] == expected


def test_secrets_are_kept_out_of_texts(written: Callable[[], list[dict[str, Any]]]) -> None:
    """Neither does key material in the event itself or in an exception."""
    try:
        fail(ValueError(PEM))
    except ValueError:
        structlog.get_logger().exception(PEM)
    (line,) = written()
    assert (line["event"], line["exception"]) == ("[redacted]", "[redacted]")


def test_exceptions_come_with_their_traceback(written: Callable[[], list[dict[str, Any]]]) -> None:
    """An unexpected error is logged with where it came from."""
    try:
        fail(RuntimeError("what went wrong"))
    except RuntimeError:
        structlog.get_logger().exception("unexpected")
    assert "test_exceptions_come_with_their_traceback" in written()[0]["exception"]


def test_what_libraries_log_is_json_too(written: Callable[[], list[dict[str, Any]]]) -> None:
    """A warning through the standard library's logging becomes a line like any other."""
    logging.getLogger("grpc._server").warning("%d of %s", 3, "100%")
    logging.getLogger("asyncio").log(35, "between the levels")
    try:
        fail(OSError("gone"))
    except OSError:
        logging.getLogger("sqlalchemy.pool").exception("broken")
    first, second, third = written()
    assert (first["level"], first["event"], first["logger"]) == ("warning", "3 of 100%", "grpc._server")
    assert (second["level"], second["event"]) == ("warning", "between the levels")
    assert "OSError: gone" in third["exception"]
    assert "exception" not in first


def test_libraries_are_not_asked_for_details(written: Callable[[], list[dict[str, Any]]]) -> None:
    """Below warning a library's lines are left out: some print what passes through them."""
    logger = logging.getLogger("sqlalchemy.engine.test")
    logger.setLevel(logging.DEBUG)
    logger.info("INSERT ... PRIVATE KEY")
    assert written() == []


def test_a_record_that_cannot_be_formatted_stops_nobody(logs: LogHandle, stream: Stream) -> None:
    """A library's broken logging call is a line that says so, and no exception in that library."""
    record = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "%d", "args": ("no number",)})
    logs._handler.handle(record)
    logs.flush()
    assert stream.lines()[0]["event"] == "a log record whose arguments do not fit its text"


def test_levels(stream: Stream) -> None:
    """What lies below the level is left out, for libraries as well."""
    handle = configure("error", stream)
    structlog.get_logger().warning("left out")
    logging.getLogger("library").warning("left out")
    structlog.get_logger().error("kept")
    handle.close()
    assert [line["event"] for line in stream.lines()] == ["kept"]


def test_an_unknown_level_is_refused(stream: Stream) -> None:
    """A level that does not exist is an error, not another level."""
    with pytest.raises(ValueError, match="one of debug, info, warning, error"):
        configure("loud", stream)


@pytest.mark.usefixtures("slow")
def test_lines_are_gathered(stream: Stream) -> None:
    """Lines wait for each other, and an error takes all of them along at once."""
    handle = configure("info", stream)
    log = structlog.get_logger()
    for number in range(100):
        log.info("issued", number=number)
    assert stream.flushes == 0
    log.error("unexpected")
    assert stream.flushes == 1
    assert [line.get("number") for line in stream.lines()] == [*range(100), None]
    handle.close()


@pytest.mark.usefixtures("logs")
def test_lines_are_written_without_being_asked(stream: Stream) -> None:
    """A line that no other follows is written by the thread."""
    structlog.get_logger().info("alone")
    assert stream.flushed.wait(30)
    assert stream.lines()[0]["event"] == "alone"


@pytest.mark.usefixtures("slow")
def test_close_writes_the_rest(stream: Stream) -> None:
    """What was logged before close is on the stream after it, and the defaults are back."""
    handle = configure("info", stream)
    structlog.get_logger().info("last")
    handle.close()
    assert stream.lines()[0]["event"] == "last"
    assert not structlog.is_configured()


def test_a_line_after_close_is_not_lost(stream: Stream) -> None:
    """Who still holds a logger at the end may use it."""
    buffer = LogBuffer(stream)
    buffer.close()
    buffer.write("late")
    assert stream.getvalue() == "late\n"


@pytest.mark.usefixtures("slow")
def test_a_stream_that_nobody_reads_does_not_fill_memory(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many lines wait, the next one is written by who logs it."""
    monkeypatch.setattr(log_buffer, "MAX_LINES", 10)
    buffer = LogBuffer(stream)
    for number in range(25):
        buffer.write(str(number))
    assert stream.getvalue().splitlines() == [str(number) for number in range(20)]
    buffer.close()
    assert stream.getvalue().splitlines() == [str(number) for number in range(25)]


def test_lines_of_many_threads_are_all_there(stream: Stream) -> None:
    """No line is lost or torn between threads."""
    buffer = LogBuffer(stream)

    def write(name: str) -> None:
        for number in range(2000):
            buffer.write(f"{name} {number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffer.close()
    for name in "abc":
        lines = [line for line in stream.getvalue().splitlines() if line.startswith(name)]
        assert lines == [f"{name} {number}" for number in range(2000)]


def test_a_stream_that_is_gone_stops_nobody() -> None:
    """A log reader that went away, or a closed stream, does not break the service."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        broken = LogBuffer(stream)
        broken.write("line")
        broken.flush()
        broken.close()
        # What could not be written is still in the stream's own buffer; closing would try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
    closed = Stream()
    closed.close()
    buffer = LogBuffer(closed)
    buffer.write("line")
    buffer.close()


def test_lines_before_a_crash_are_written() -> None:
    """A process that ends by an exception leaves its last lines."""
    program = (
        "import structlog; from linecert_service.observability.logging import configure;"
        "configure(); structlog.get_logger().info('last'); raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout)["event"] == "last"
    assert done.stderr == ""
