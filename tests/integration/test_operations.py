"""What operators and orchestrators see: metrics, health, reflection."""

import asyncio

import grpc
import pytest
import structlog.testing
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from linecert import contract
from linecert.v1.signing_pb2 import GetIssuersRequest
from support import audit_log, csrs
from support.clocks import SettableClock
from support.installations import Installation
from support.server import AUDITOR, PLANNER, Caller, Running, ask, refused, serving

SERVICES = ("", *(service.full_name for service in contract.SERVICES))


async def scraped(server: Running) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples that Prometheus would get."""
    text = await asyncio.to_thread(server.scrape)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    """Labels as `scraped` has them."""
    return frozenset(values.items())


async def test_metrics_tell_what_happened(server: Running, station: Caller) -> None:
    """Issued, replayed and refused requests, calls, stages, and the state of things."""
    request = ask()
    await station.sign(request)
    await station.sign(ask("device-02"))
    await station.sign(request)
    await refused(station.sign(ask("device 3")))
    await refused(server.caller(PLANNER).sign(ask()))
    samples = await scraped(server)
    issued = labels(issuer="issuer", profile="device", line="line-01", station="station-01")
    assert samples["linecert_issued_certificates_total", issued] == 2
    assert samples["linecert_replayed_requests_total", labels()] == 1
    rejected = labels(reason="REGISTRATION_ID_INVALID", line="line-01", station="station-01")
    assert samples["linecert_rejected_requests_total", rejected] == 1
    unasked = labels(reason="ROLE_MISSING", line="", station="planner-01")
    assert samples["linecert_rejected_requests_total", unasked] == 1
    for code, count in (("OK", 3), ("INVALID_ARGUMENT", 1), ("PERMISSION_DENIED", 1)):
        assert samples["linecert_request_seconds_count", labels(method="SignDevice", code=code)] == count
    for stage in ("validate", "sign", "verify", "commit"):
        assert samples["linecert_stage_seconds_count", labels(stage=stage)] >= 2
    # The issuer, two certificates, one discarded signature; and whatever events came meanwhile.
    assert 4 <= samples["linecert_log_size", labels()] <= audit_log.verified(server.installation).size
    for name in ("signer_up", "store_up"):
        assert samples[f"linecert_{name}", labels()] == 1
    for name in ("pending_requests", "in_flight_rpcs"):
        assert samples[f"linecert_{name}", labels()] == 0
    end = server.installation.chain()[0].not_valid_after_utc.timestamp()
    assert samples["linecert_issuer_not_after_timestamp_seconds", labels(issuer="issuer")] == end


async def test_metrics_and_health_are_for_this_machine_only(installation: Installation) -> None:
    """By default on the loopback: another address of the machine, here another one of the loopback, is closed."""
    server = installation.settings().server
    async with serving(installation):
        for listen in (server.metrics_listen, server.health_listen):
            host, _, port = listen.rpartition(":")
            assert host == "127.0.0.1"
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.2", int(port))


async def test_health_is_serving(server: Running) -> None:
    """On the main port for whoever has a certificate, on the other one for probes without."""
    for caller in (server.caller(AUDITOR), server.probe()):
        for service in SERVICES:
            assert await caller.serving(service)


async def test_health_of_an_unknown_service(server: Running) -> None:
    """NOT_FOUND, as the protocol has it."""
    assert (await refused(server.probe().serving("swordfish"))).status == "NOT_FOUND"


async def test_the_health_port_serves_nothing_else(server: Running) -> None:
    """Without TLS there is no signing and no reading."""
    probe = server.probe()
    assert (await refused(probe.sign(ask()))).status == "UNIMPLEMENTED"
    assert (await refused(probe.signing.GetIssuers(GetIssuersRequest()))).status == "UNIMPLEMENTED"


async def test_health_can_be_watched_through_a_drain(installation: Installation) -> None:
    """A watcher hears SERVING, and NOT_SERVING when the server drains."""
    async with serving(installation) as server:
        watch = server.probe().health.Watch(health_pb2.HealthCheckRequest(service=""))
        statuses = [(await watch.read()).status]
        drained = asyncio.ensure_future(server.drain())
        statuses.append((await watch.read()).status)
        watch.cancel()
        await drained
    kinds = health_pb2.HealthCheckResponse
    assert statuses == [kinds.SERVING, kinds.NOT_SERVING]


async def test_a_clock_that_jumped_is_not_trusted(installation: Installation) -> None:
    """More than 10 minutes against the monotonic clock: nothing is issued, and the operator is to be called."""
    clock = SettableClock()
    async with serving(installation, clock) as server:
        station = server.caller()
        request = ask()
        first = await station.sign(request)
        clock.stepped = 3600
        refusal = await refused(station.sign(ask("device-02")))
        assert (refusal.status, refusal.reason, refusal.action) == ("UNAVAILABLE", "CLOCK_UNTRUSTED", "call_operator")
        clock.stepped = 60
        assert not (await station.sign(ask("device-02"))).replayed
        assert (await station.sign(request)).issued.certificate == first.issued.certificate


async def test_a_clock_behind_the_log_is_not_trusted(installation: Installation) -> None:
    """A server that starts with a clock behind the log's last entry is not ready."""
    ahead = SettableClock()
    ahead.passed = 3600
    async with serving(installation, ahead) as server:
        await server.caller().sign(ask())
    async with serving(installation) as server:
        refusal = await refused(server.caller().sign(ask("device-02")))
        assert not await server.probe().serving()
    assert refusal.reason == "CLOCK_UNTRUSTED"


async def _listed(caller: Caller) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(caller.channel)  # type: ignore[no-untyped-call]
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    return {service.name async for answer in call for service in answer.list_services_response.service}


async def test_reflection_lists_the_services(server: Running, station: Caller) -> None:
    """So that grpcurl needs no .proto files; on the port with TLS only."""
    assert set(SERVICES) - {""} <= await _listed(station)
    with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
        await _listed(server.probe())


async def test_reflection_can_be_switched_off(installation: Installation) -> None:
    """`reflection = false`."""
    installation.edit("reflection = true", "reflection = false")
    async with serving(installation) as server:
        with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
            await _listed(server.caller())


async def test_rejected_lines_name_what_was_validated(station: Caller) -> None:
    """Station, line, request and device, as far as they are known; nothing that is not."""
    request = ask()
    await station.sign(request)
    with structlog.testing.capture_logs() as logs:
        other_key = csrs.key("P-256", number=1)
        await refused(station.sign(ask(key=other_key, request_id=request.request_id)))
        await refused(station.sign(ask(request_id="swordfish")))
    reused, invalid = (line for line in logs if line["event"] == "rejected")
    assert (reused["station"], reused["line"], reused["reason"]) == ("station-01", "line-01", "REQUEST_ID_REUSED")
    assert (reused["request_id"], reused["registration_id"]) == (request.request_id, "device-01")
    assert "cause" not in reused
    assert invalid.keys().isdisjoint({"request_id", "registration_id"})
