"""The limits of a station, as it meets them, and the shares of stations that ask for more than there is."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from linecert_service.domain.requests import SignRequest
from linecert_service.installation.add_station import AddOptions, add_station
from linecert_service.installation.authorities import CaKeyType
from linecert_service.issuance.pipeline import MAX_BURST, Job, Pipeline
from linecert_service.issuance.planning import Planner
from linecert_service.observability.metrics import Metrics
from support import audit_log, csrs
from support.clocks import SettableClock
from support.databases import write_lock
from support.installations import Installation
from support.issuers import in_days
from support.server import Caller, Refusal, ask, installation_at, refused, serving
from support.waiting import PATIENCE_SECONDS, until

FLOOD = 5 * MAX_BURST
MODEST = 3


def limit(installation: Installation, settings: str) -> None:
    """Give the stations that there are another setting."""
    installation.edit('profiles = ["device"]', f'profiles = ["device"]\n{settings}', file="stations.toml")


@pytest.mark.parametrize("key_type", ["p256", "rsa-3072"])
async def test_only_new_certificates_count(tmp_path: Path, key_type: CaKeyType) -> None:
    """Repetitions, by request_id or by key, refusals and validate_only are free; a repetition is when all is spent."""
    installation = installation_at(tmp_path / "server", key_type)
    limit(installation, "per_day = 2")
    async with serving(installation) as server:
        station = server.caller()
        request = ask("device-1")
        await station.sign(request)
        for _ in range(3):
            assert (await station.sign(request)).replayed
            assert (await station.sign(ask("device-1"))).replayed
            assert (await refused(station.sign(ask("device-1", key=csrs.key("P-256", number=-1))))).reason
            assert not (await station.sign(ask("device-2", validate_only=True))).issued.certificate
        await station.sign(ask("device-2"))
        refusal = await refused(station.sign(ask("device-3")))
        assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "STATION_LIMIT_REACHED")
        assert "2 certificates a day" in refusal.message
        assert (await station.sign(request)).replayed
    assert len(audit_log.verified(installation).certificates) == 2


async def test_refusal_says_when_there_is_a_token(installation: Installation) -> None:
    """RetryInfo: who comes back then is served."""
    limit(installation, "per_minute = 1")
    clock = SettableClock()
    async with serving(installation, clock) as server:
        station = server.caller()
        await station.sign(ask("device-1"))
        refusal = await refused(station.sign(ask("device-2")))
        assert refusal.reason == "STATION_LIMIT_REACHED"
        assert refusal.retry_after
        assert 0 < refusal.retry_after <= 60
        clock.passed += refusal.retry_after + 0.001
        await station.sign(ask("device-2"))


async def test_day_goes_on_over_a_restart(installation: Installation) -> None:
    """The log knows what the station has had; also of a time in which it had no limit."""
    async with serving(installation) as server:
        for number in range(3):
            await server.caller().sign(ask(f"device-{number}"))
    limit(installation, "per_day = 4")
    async with serving(installation) as server:
        station = server.caller()
        await station.sign(ask("device-3"))
        refusal = await refused(station.sign(ask("device-4")))
        assert refusal.reason == "STATION_LIMIT_REACHED"


async def test_limit_that_comes_with_a_reload_knows_the_day(installation: Installation) -> None:
    """Without a restart: what the station has had while it had no limit is counted, and no more is issued."""
    async with serving(installation) as server:
        station = server.caller()
        for number in range(3):
            await station.sign(ask(f"device-{number}"))
        limit(installation, "per_day = 4")
        # Another key for a device that has a certificate: refused for that, until the limit is in force and reached.
        await station.sign(ask("device-3"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (refusal := await _refusal(station)).reason != "STATION_LIMIT_REACHED":
                assert refusal.reason == "REGISTRATION_ID_TAKEN"
                await asyncio.sleep(0.05)
    assert len(audit_log.verified(installation).certificates) == 4


async def _refusal(station: Caller) -> Refusal:
    return await refused(station.sign(ask("device-0", key=csrs.key("P-256", number=-1))))


@dataclass(slots=True)
class Bursts:
    """How many bursts were begun, and after how many of them a request was in one.

    Attributes:
        held_back: while it is set, none is begun.
    """

    held_back: bool = False
    begun: int = 0
    submitted: dict[str, int] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def bursts(monkeypatch: pytest.MonkeyPatch) -> Bursts:
    """Counts in the server of this process."""
    counted = Bursts()
    submit, look, plan, taken = Pipeline.submit, Pipeline._look, Planner.plan, Metrics.burst_taken

    def on_submit(pipeline: Pipeline, job: Job) -> None:
        counted.submitted[job.request.request_id] = counted.begun
        submit(pipeline, job)

    def on_look(pipeline: Pipeline, seen: int) -> None:
        if counted.held_back:
            pipeline._schedule(0.005)
        else:
            look(pipeline, seen)

    def on_taken(metrics: Metrics, size: int) -> None:
        counted.begun += 1
        taken(metrics, size)

    def on_plan(planner: Planner, request: SignRequest, caller: Any, now: float) -> Any:
        counted.waited[request.request_id] = counted.begun - counted.submitted[request.request_id]
        return plan(planner, request, caller, now)

    monkeypatch.setattr(Pipeline, "submit", on_submit)
    monkeypatch.setattr(Pipeline, "_look", on_look)
    monkeypatch.setattr(Metrics, "burst_taken", on_taken)
    monkeypatch.setattr(Planner, "plan", on_plan)
    return counted


async def test_flood_of_one_station_does_not_starve_another(installation: Installation, bursts: Bursts) -> None:
    """Each call of the other succeeds and is in the next burst, while the flood before it waits for five."""
    add_station(installation.settings(), AddOptions("flooder", "line-01"), in_days(0))
    async with serving(installation) as server:
        flooder, station = server.caller("flooder"), server.caller()
        bursts.held_back = True
        flood = [asyncio.ensure_future(flooder.sign(ask(f"flood-{number}"))) for number in range(FLOOD)]
        await until(lambda: len(bursts.submitted) == FLOOD)
        modest = [ask(f"modest-{number}") for number in range(MODEST)]
        first = asyncio.ensure_future(station.sign(modest[0]))
        await until(lambda: len(bursts.submitted) == FLOOD + 1)
        bursts.held_back = False
        assert not (await first).replayed
        for request in modest[1:]:
            assert not (await station.sign(request)).replayed
        await asyncio.gather(*flood)
    assert {bursts.waited[request.request_id] for request in modest} == {1}
    assert max(bursts.waited.values()) >= FLOOD // MAX_BURST


async def test_flood_that_has_all_the_slots_it_can_get_leaves_some(installation: Installation) -> None:
    """While nothing is recorded, so that none comes back: the flood is refused, and the other station is not."""
    installation.edit("[log]\n", "[limits]\npending = 16\n\n[log]\n")
    add_station(installation.settings(), AddOptions("flooder", "line-01"), in_days(0))
    async with serving(installation) as server:
        flooder, station = server.caller("flooder"), server.caller()
        with write_lock(installation):
            flood = [asyncio.ensure_future(flooder.sign(ask(f"flood-{number}"))) for number in range(20)]
            await until(lambda: sum(call.done() for call in flood) == 20 - 12)
            modest = asyncio.ensure_future(station.sign(ask("modest")))
            await until(lambda: "linecert_pending_requests 13.0" in server.scrape())
            late = await refused(flooder.sign(ask("flood-20")))
        assert late.reason == "OVERLOADED"
        assert not (await modest).replayed
        await asyncio.gather(*flood, return_exceptions=True)
