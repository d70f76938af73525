"""Readiness, and the monitor that keeps it true."""

import asyncio

import pytest
from structlog.testing import capture_logs

from linecert_service.observability.health import HealthMonitor, Probe, Readiness
from linecert_service.observability.metrics import Metrics


class Switch:
    """A probe that can be broken."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    async def __call__(self) -> None:
        """Look."""
        self.calls += 1
        if self.error:
            raise self.error


def readiness_of(*names: str) -> Readiness:
    """Readiness in which conditions of these names do not hold."""
    readiness = Readiness(awaited=())
    for name in names:
        readiness.set(name, ok=False, why=f"{name} is broken")
    return readiness


def test_not_ready_before_the_first_look() -> None:
    """A service that has not seen its signer and store yet takes no calls."""
    readiness = Readiness()
    assert not readiness.ready
    assert readiness.reasons() == {"signer": "not checked yet", "store": "not checked yet"}
    readiness.set("signer", ok=True)
    readiness.set("store", ok=True)
    assert readiness.ready


def test_one_condition_is_enough_to_be_not_ready() -> None:
    """It is ready when every condition holds, in whatever order they come back."""
    readiness = readiness_of("clock", "store")
    readiness.set("clock", ok=True)
    assert readiness.reasons() == {"store": "store is broken"}
    assert not readiness.ready
    readiness.set("store", ok=True)
    assert readiness.ready


def test_reasons_are_the_newest() -> None:
    """A condition that fails in another way says so."""
    readiness = readiness_of("store")
    readiness.set("store", ok=False, why="disk full")
    assert readiness.reasons() == {"store": "disk full"}


def test_only_turns_are_told() -> None:
    """`changed` hears each turn of `ready` once, and nothing between."""
    turns: list[bool] = []
    readiness = Readiness(awaited=("store",), changed=turns.append)
    readiness.set("store", ok=True)
    readiness.set("store", ok=True)
    readiness.set("signer", ok=False, why="gone")
    readiness.set("store", ok=False, why="gone")
    readiness.set("store", ok=True)
    readiness.set("signer", ok=True)
    assert turns == [True, False, True]


def test_changes_are_logged_once() -> None:
    """Operators read why, when it begins, when it changes, and when it is over; not every five seconds."""
    readiness = Readiness(awaited=())
    with capture_logs() as logs:
        for why in ("gone", "gone", "still gone"):
            readiness.set("store", ok=False, why=why)
        readiness.set("store", ok=True)
        readiness.set("store", ok=True)
    assert [(line["log_level"], line["condition"], line.get("why")) for line in logs] == [
        ("warning", "store", "gone"),
        ("warning", "store", "still gone"),
        ("info", "store", None),
    ]


async def test_probes_decide() -> None:
    """A probe that raises takes readiness and its gauge down; when it is good again they come back."""
    metrics, signer, store = Metrics(), Switch(), Switch()
    readiness = Readiness()
    gauges = {"signer": metrics.signer_up, "store": metrics.store_up}
    monitor = HealthMonitor(readiness, {"signer": signer, "store": store}, gauges)

    def up() -> tuple[float | None, float | None]:
        get = metrics.registry.get_sample_value
        return get("linecert_signer_up"), get("linecert_store_up")

    await monitor.check()
    assert (readiness.ready, up()) == (True, (1, 1))
    store.error = OSError("no space left")
    await monitor.check()
    assert (readiness.reasons(), up()) == ({"store": "no space left"}, (1, 0))
    store.error = None
    await monitor.check()
    assert (readiness.ready, up()) == (True, (1, 1))


async def test_an_error_without_a_message_has_a_name() -> None:
    """Operators never read an empty reason."""
    readiness, probe = Readiness(awaited=()), Switch()
    probe.error = KeyError()
    await HealthMonitor(readiness, {"log": probe}, {}).check()
    assert readiness.reasons() == {"log": "KeyError"}


async def test_a_probe_that_hangs_counts_as_failed() -> None:
    """A probe without an answer is given up, and does not keep the others from being looked at."""

    async def hang() -> None:
        await asyncio.Event().wait()

    readiness, store = Readiness(), Switch()
    probes: dict[str, Probe] = {"signer": hang, "store": store}
    await HealthMonitor(readiness, probes, {}, timeout=0.01).check()
    assert readiness.reasons() == {"signer": "no answer within 0.01 seconds"}
    assert store.calls == 1


async def test_a_time_out_of_the_probe_itself_is_not_the_monitors() -> None:
    """A TimeoutError that a probe raises is reported with its own words."""
    readiness, probe = Readiness(awaited=()), Switch()
    probe.error = TimeoutError("the vault did not answer")
    await HealthMonitor(readiness, {"signer": probe}, {}).check()
    assert readiness.reasons() == {"signer": "the vault did not answer"}


async def test_it_looks_at_once_and_again() -> None:
    """The monitor looks before it first waits, then after each interval."""
    probe = Switch()
    waits: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        waits.append((seconds, probe.calls))
        if len(waits) == 3:
            raise asyncio.CancelledError

    monitor = HealthMonitor(Readiness(), {"store": probe}, {}, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await monitor.run()
    assert waits == [(5.0, 1), (5.0, 2), (5.0, 3)]
