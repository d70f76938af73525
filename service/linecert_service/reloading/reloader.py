"""When files are read anew, and what is said of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from linecert_service.domain.errors import ConfigurationError
from linecert_service.reloading.files import FileWatch

POLL_SECONDS: Final = 1.0
RETRY_POLLS: Final = 60
"""After so many polls a file that is not in force is tried again: its fault may have been the clock's, or a disk's."""

Outcome = Mapping[str, Exception | None]
"""For each file, by the name of its setting, why it is not in force as it is; None where it is."""

_log = structlog.get_logger("linecert.reload")


class InForceInPart(ConfigurationError):
    """A file is in force, but not all of it.

    Args:
        problem: what is wrong with it.
        in_force: what of it is in force.
    """

    def __init__(self, problem: str, in_force: str) -> None:
        super().__init__(problem)
        self.in_force = in_force


class ReloadMeter(Protocol):
    """Is told of files that are watched."""

    def file_watched(self, file: str) -> None:
        """The file is in force as it is, and watched from now on."""

    def file_reloaded(self, file: str, *, ok: bool) -> None:
        """All that the file says is in force now, or not."""


@dataclass(frozen=True, slots=True)
class Source:
    """Files that are read together.

    Attributes:
        files: the names of their settings.
        watch: notices their changes.
        reload: reads them and puts them in force, or leaves those before; raises nothing on purpose.
    """

    files: Sequence[str]
    watch: FileWatch
    reload: Callable[[], Awaitable[Outcome]]


class Reloader:
    """Reads files anew when they have changed, or when asked. Belongs to the event loop.

    Args:
        sources: what is read.
        meter: told of each file.
        asked: set by whoever wants all of them read at once, whether they have changed or not.
        afterwards: done after each look at the files.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        meter: ReloadMeter,
        asked: asyncio.Event,
        afterwards: Callable[[], Awaitable[None]],
    ) -> None:
        self._sources = sources
        self._meter = meter
        self._asked = asked
        self._afterwards = afterwards
        self._problems: dict[str, str] = {}
        self._polls = 0
        for source in sources:
            for file in source.files:
                meter.file_watched(file)

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.exception("looking for changed files failed")

    async def look(self) -> None:
        """Read what has changed, or all if that was asked for."""
        asked = self._asked.is_set()
        self._asked.clear()
        self._polls += 1
        retry = bool(self._problems) and self._polls % RETRY_POLLS == 0
        # A file that does not pass may do so once another one is read: it has failed when all have had their turn.
        failed: dict[str, tuple[Exception, bool]] = {}
        for source in self._sources:
            # In a thread: a network file system that hangs must not stop the event loop.
            changed = await asyncio.to_thread(_take, source.watch, anyway=asked or retry)
            if asked or changed or retry:
                for file, error in (await source.reload()).items():
                    if error is not None:
                        failed[file] = error, asked or changed
                    else:
                        failed.pop(file, None)
                        self._tell_loaded(file, told_again=asked or changed)
        for file, (error, told_again) in failed.items():
            self._tell_failed(file, error, told_again=told_again)
        await self._afterwards()

    def _tell_loaded(self, file: str, *, told_again: bool) -> None:
        if told_again or file in self._problems:
            self._problems.pop(file, None)
            self._meter.file_reloaded(file, ok=True)
            _log.info("reloaded", file=file)

    def _tell_failed(self, file: str, error: Exception, *, told_again: bool) -> None:
        problem = str(error)
        if not told_again and self._problems.get(file) == problem:
            return
        self._problems[file] = problem
        self._meter.file_reloaded(file, ok=False)
        # Of a fault that nobody foresaw, where it arose; of an operator's mistake, only the sentence.
        unforeseen = None if isinstance(error, ConfigurationError) else error
        in_force = error.in_force if isinstance(error, InForceInPart) else "what was read before"
        _log.error("reload failed", file=file, problem=problem, in_force=in_force, exc_info=unforeseen)


def _take(watch: FileWatch, *, anyway: bool) -> bool:
    """Whether the files of a watch have changed; they are about to be read then, or `anyway`."""
    changed = watch.settled()
    if changed or anyway:
        watch.mark_read()
    return changed
