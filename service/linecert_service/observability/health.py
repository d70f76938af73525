"""Whether the service can issue now, and why not: what the health service of gRPC and the orchestrator see."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog
from prometheus_client import Gauge

PROBE_INTERVAL_SECONDS: Final = 5.0
PROBE_TIMEOUT_SECONDS: Final = 4.0

Probe = Callable[[], Awaitable[None]]
"""Looks whether something works, without signing; raises when it does not, with a message for operators."""

_log = structlog.get_logger()


class Readiness:
    """The conditions under which the service issues, such as `signer`, `store`, `clock`, `append`, `log`.

    Any thread may set one. A condition that nobody set holds, save the awaited ones.

    Args:
        awaited: conditions that do not hold until they are set.
        changed: called with the new value each time that `ready` turns, in the thread that set the condition.
    """

    def __init__(
        self, awaited: Iterable[str] = ("signer", "store"), changed: Callable[[bool], None] | None = None
    ) -> None:
        self._failed = dict.fromkeys(awaited, "not checked yet")
        self._changed = changed
        # Held while `changed` runs, so that it hears of the turns in their order.
        self._lock = threading.RLock()

    @property
    def ready(self) -> bool:
        """Whether every condition holds."""
        return not self._failed

    def reasons(self) -> Mapping[str, str]:
        """The conditions that do not hold, each with what is wrong."""
        with self._lock:
            return dict(self._failed)

    def set(self, name: str, *, ok: bool, why: str = "") -> None:
        """State whether a condition holds.

        Args:
            name: the condition.
            ok: whether it holds.
            why: what is wrong, and what to do, when it does not.
        """
        with self._lock:
            was_ready, was = self.ready, self._failed.get(name)
            if ok:
                self._failed.pop(name, None)
            else:
                self._failed[name] = why
            if ok and was is not None:
                _log.info("condition holds", condition=name)
            elif not ok and was != why:
                _log.warning("condition does not hold", condition=name, why=why)
            if self._changed and self.ready != was_ready:
                self._changed(self.ready)


class HealthMonitor:
    """Looks at signer and store again and again, and keeps readiness and metrics up to date.

    Args:
        readiness: where each probe's result is set, under its name.
        probes: what to look at.
        gauges: of some probes, the metric that is 1 while they are good.
        interval: seconds between two looks.
        timeout: seconds after which a probe that gave no answer counts as failed.
        sleep: how to wait.
    """

    def __init__(
        self,
        readiness: Readiness,
        probes: Mapping[str, Probe],
        gauges: Mapping[str, Gauge],
        *,
        interval: float = PROBE_INTERVAL_SECONDS,
        timeout: float = PROBE_TIMEOUT_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._readiness = readiness
        self._probes = probes
        self._gauges = gauges
        self._interval = interval
        self._timeout = timeout
        self._sleep = sleep

    async def run(self) -> None:
        """Look every `interval` seconds, the first time at once, until cancelled."""
        while True:
            await self.check()
            await self._sleep(self._interval)

    async def check(self) -> None:
        """Look at everything once, all at the same time."""
        await asyncio.gather(*(self._look(name, probe) for name, probe in self._probes.items()))

    async def _look(self, name: str, probe: Probe) -> None:
        why = await self._problem(probe)
        self._readiness.set(name, ok=why is None, why=why or "")
        if name in self._gauges:
            self._gauges[name].set(why is None)

    async def _problem(self, probe: Probe) -> str | None:
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                await probe()
        except Exception as error:  # noqa: BLE001 - whatever a probe meets is a state to report, not a fault of the monitor
            if deadline.expired():
                return f"no answer within {self._timeout:g} seconds"
            return str(error) or type(error).__name__
        return None
