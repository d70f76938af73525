"""When files are read, and what is said of it."""

import asyncio
import threading
from pathlib import Path

import pytest
import structlog.testing

from linecert_service.domain.errors import ConfigurationError
from linecert_service.observability.metrics import Metrics
from linecert_service.reloading import reloader
from linecert_service.reloading.files import FileWatch
from linecert_service.reloading.reloader import InForceInPart, Outcome, Reloader, Source


class Setup:
    """A reloader over one file, which a test breaks.

    Attributes:
        error: why the file cannot be read.
        reads: how often it was.
        read: set when it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: Exception | None = None
        self.reads = 0
        self.read = asyncio.Event()
        self.metrics = Metrics()
        self.asked = asyncio.Event()
        source = Source(["stations"], FileWatch([path]), self._reload)
        self.reloader = Reloader([source], self.metrics, self.asked, self._afterwards)

    async def change(self) -> None:
        """Write the file, and look until it is read."""
        before = self.reads
        self.path.write_text(f"{self.path.stat().st_mtime_ns if self.path.exists() else 0}")
        while self.reads == before:
            await self.reloader.look()

    def value(self, name: str, **labels: str) -> float | None:
        """A metric of the file."""
        return self.metrics.registry.get_sample_value(f"linecert_{name}", {"file": "stations", **labels})

    async def _reload(self) -> Outcome:
        self.reads += 1
        self.read.set()
        return {"stations": self.error}

    async def _afterwards(self) -> None:
        pass


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """A file that is in force."""
    return Setup(tmp_path / "stations.toml")


async def test_a_file_that_does_not_change_is_not_read(setup: Setup) -> None:
    """It is looked at, and that is all; the metric says from the start that it is in force."""
    for _ in range(3):
        await setup.reloader.look()
    assert setup.reads == 0
    assert setup.value("reload_failed") == 0


async def test_a_broken_file_is_one_error_line_and_a_metric(setup: Setup) -> None:
    """With the sentence that says where and what to do; not again until the file has changed or somebody asks."""
    setup.error = ConfigurationError("stations.toml:7: stations[2].name: is missing: add it")
    with structlog.testing.capture_logs() as logs:
        await setup.change()
        for _ in range(reloader.RETRY_POLLS + 1):
            await setup.reloader.look()
    assert [(line["event"], line["log_level"], line["problem"]) for line in logs] == [
        ("reload failed", "error", str(setup.error))
    ]
    assert (setup.value("reload_failed"), setup.value("reloads_total", outcome="failed")) == (1, 1)
    setup.asked.set()
    with structlog.testing.capture_logs() as logs:
        await setup.reloader.look()
    assert len(logs) == 1


async def test_a_file_that_is_right_again_is_told(setup: Setup) -> None:
    """In the log and in the metric."""
    setup.error = ConfigurationError("broken")
    await setup.change()
    setup.error = None
    with structlog.testing.capture_logs() as logs:
        await setup.change()
    assert [(line["event"], line["file"]) for line in logs] == [("reloaded", "stations")]
    assert (setup.value("reload_failed"), setup.value("reloads_total", outcome="loaded")) == (0, 1)


async def test_what_failed_is_tried_again_without_a_change(setup: Setup) -> None:
    """A certificate that was not valid yet becomes valid without anybody touching it."""
    setup.error = ConfigurationError("valid only from a minute on")
    await setup.change()
    setup.error = None
    for _ in range(reloader.RETRY_POLLS):
        await setup.reloader.look()
    assert setup.value("reload_failed") == 0


async def test_who_asks_gets_everything_read_at_once(setup: Setup) -> None:
    """`run` does not wait for its next second."""
    task = asyncio.ensure_future(setup.reloader.run())
    setup.asked.set()
    await asyncio.wait_for(setup.read.wait(), 30)
    task.cancel()
    assert setup.reads == 1


async def test_an_unforeseen_error_does_not_end_the_looking(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with where it arose, and the next look comes."""
    monkeypatch.setattr(reloader, "POLL_SECONDS", 0.001)
    looks = iter((RuntimeError("unforeseen"), None))
    second = asyncio.Event()

    async def look() -> None:
        if error := next(looks):
            raise error
        second.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(setup.reloader, "look", look)
    with structlog.testing.capture_logs() as logs:
        task = asyncio.ensure_future(setup.reloader.run())
        await asyncio.wait_for(second.wait(), 30)
        task.cancel()
    assert [line["exc_info"] for line in logs] == [True]


async def test_files_are_looked_at_in_a_thread(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system that hangs stops no call."""
    threads: list[threading.Thread] = []
    monkeypatch.setattr(FileWatch, "_identities", lambda _: threads.append(threading.current_thread()) or ())
    setup.asked.set()
    await setup.reloader.look()
    assert len(threads) > 1
    assert threading.main_thread() not in threads


async def test_a_file_that_passes_once_another_is_read_has_not_failed(tmp_path: Path) -> None:
    """A new profile and a station that uses it: no ERROR line that wakes somebody up for nothing."""

    async def stations() -> Outcome:
        return {"stations": ConfigurationError("names a profile that is none")}

    async def settings() -> Outcome:
        return {"settings": None, "stations": None}

    sources = [
        Source([name], FileWatch([tmp_path / name]), reload)
        for name, reload in (("stations", stations), ("settings", settings))
    ]
    asked, metrics = asyncio.Event(), Metrics()

    async def afterwards() -> None:
        pass

    asked.set()
    with structlog.testing.capture_logs() as logs:
        await Reloader(sources, metrics, asked, afterwards).look()
    assert [(line["event"], line["file"]) for line in logs] == [("reloaded", "settings"), ("reloaded", "stations")]


async def test_what_is_in_force_of_a_file_is_told(setup: Setup) -> None:
    """Where it is not simply what was read before."""
    setup.error = InForceInPart("has a ca that is none", "the other entries")
    with structlog.testing.capture_logs() as logs:
        await setup.change()
    assert [(line["problem"], line["in_force"]) for line in logs] == [("has a ca that is none", "the other entries")]
    assert setup.value("reload_failed") == 1
