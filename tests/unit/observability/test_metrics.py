"""What Prometheus gets to see."""

import socket
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from linecert_service.domain.errors import ConfigurationError
from linecert_service.observability.metrics import MAX_STATIONS, Metrics, MetricsServer, serve_metrics
from support.claims import work_order

# Section 7 of the design, as far as it is built.
NAMES = {
    "issued_certificates",
    "rejected_requests",
    "replayed_requests",
    "request_seconds",
    "stage_seconds",
    "burst_size",
    "pending_requests",
    "in_flight_rpcs",
    "signer_up",
    "signer_requests",
    "signer_throttled",
    "store_up",
    "log_size",
    "checkpoint_age_seconds",
    "issuer_not_after_timestamp_seconds",
    "issuer_up",
    "profile_issuer",
    "profile_next_issuer",
    "profile_not_after_timestamp_seconds",
    "server_certificate_not_after_timestamp_seconds",
    "station_certificate_not_after_timestamp_seconds",
    "reloads",
    "reload_failed",
    "work_order_quantity",
    "work_order_issued",
    "build_info",
}


@pytest.fixture
def metrics() -> Metrics:
    """Metrics on which nothing happened yet."""
    return Metrics()


@pytest.fixture
def server(metrics: Metrics) -> Iterator[MetricsServer]:
    """The listener, on a free port of the loopback interface."""
    server = serve_metrics(metrics, "127.0.0.1", 0)
    yield server
    server.close()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The sample of this name and these labels."""
    return metrics.registry.get_sample_value(f"linecert_{name}", labels)


def test_names(metrics: Metrics) -> None:
    """The metrics are exactly those that the documentation lists, each with a help text."""
    families = {family.name: family for family in metrics.registry.collect() if family.name.startswith("linecert_")}
    assert set(families) == {f"linecert_{name}" for name in NAMES}
    assert all(family.documentation for family in families.values())


def test_work_orders_come_and_go(metrics: Metrics) -> None:
    """What is shown is what was said last: an order that is not among them any more has no series."""
    metrics.show_work_orders([work_order("WO-1", quantity=500, issued=20), work_order("WO-2")])
    metrics.show_work_orders([work_order("WO-1", quantity=600, issued=40)])
    assert value(metrics, "work_order_quantity", work_order="WO-1") == 600
    assert value(metrics, "work_order_issued", work_order="WO-1") == 40
    assert value(metrics, "work_order_issued", work_order="WO-2") is None
    metrics.show_work_orders([])
    assert value(metrics, "work_order_quantity", work_order="WO-1") is None


def test_two_instances_do_not_meet() -> None:
    """Nothing is global: two services in one process count for themselves."""
    first, second = Metrics(), Metrics()
    first.request_replayed()
    assert value(first, "replayed_requests_total") == 1
    assert value(second, "replayed_requests_total") == 0


def test_counts(metrics: Metrics) -> None:
    """Each thing that happens is counted under its labels."""
    metrics.certificate_issued("issuer", "device", "line-3", "ict-07")
    metrics.certificate_issued("issuer", "device", "line-3", "ict-07")
    metrics.request_rejected("CSR_MALFORMED", "line-3", "ict-07")
    metrics.request_rejected("IDENTITY_UNKNOWN")
    metrics.request_replayed()
    metrics.signature_requested("ok")
    metrics.call_began()
    metrics.call_began()
    metrics.call_answered("SignDevice", "OK", 0.004)
    metrics.burst_taken(3)
    metrics.stage_done("sign", 0.0002)
    labels = {"line": "line-3", "station": "ict-07"}
    assert value(metrics, "issued_certificates_total", issuer="issuer", profile="device", **labels) == 2
    assert value(metrics, "rejected_requests_total", reason="CSR_MALFORMED", **labels) == 1
    assert value(metrics, "rejected_requests_total", reason="IDENTITY_UNKNOWN", line="", station="") == 1
    assert value(metrics, "replayed_requests_total") == 1
    assert value(metrics, "signer_requests_total", outcome="ok") == 1
    assert value(metrics, "request_seconds_bucket", method="SignDevice", code="OK", le="0.005") == 1
    assert value(metrics, "request_seconds_bucket", method="SignDevice", code="OK", le="0.0025") == 0
    assert value(metrics, "stage_seconds_count", stage="sign") == 1
    assert value(metrics, "in_flight_rpcs") == 1
    assert value(metrics, "burst_size_bucket", le="2.0") == 0
    assert value(metrics, "burst_size_bucket", le="4.0") == 1


def test_gauges_follow_their_owners(metrics: Metrics) -> None:
    """A gauge may be set, or be given a function that is asked when it is scraped."""
    waiting = [1, 2, 3]
    metrics.pending_requests.set_function(lambda: len(waiting))
    metrics.issuer_not_after("issuer", 1940544299)
    metrics.station_certificate_not_after("ict-07", 1814400000)
    waiting.pop()
    assert value(metrics, "pending_requests") == 2
    assert value(metrics, "issuer_not_after_timestamp_seconds", issuer="issuer") == 1940544299
    assert value(metrics, "station_certificate_not_after_timestamp_seconds", station="ict-07") == 1814400000


def test_stations_beyond_the_cap_share_a_label(metrics: Metrics) -> None:
    """However many stations call, the number of series stays bounded."""
    for number in range(MAX_STATIONS + 50):
        metrics.certificate_issued("issuer", "device", "line-3", f"station-{number}")
        metrics.station_certificate_not_after(f"station-{number}", 1.0)
    metrics.certificate_issued("issuer", "device", "line-3", "station-0")
    families = {family.name: family for family in metrics.registry.collect()}
    issued = families["linecert_issued_certificates"].samples
    assert len(issued) == MAX_STATIONS + 1
    counts = {sample.labels["station"]: sample.value for sample in issued}
    assert counts["other"] == 50
    assert counts["station-0"] == 2
    assert len(families["linecert_station_certificate_not_after_timestamp_seconds"].samples) == MAX_STATIONS


def test_scrape(metrics: Metrics, server: MetricsServer) -> None:
    """Prometheus reads the values over HTTP, with those of process and platform beside them."""
    metrics.log_size.set(42)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    assert families["linecert_log_size"].samples[0].value == 42
    assert "python_info" in families
    if sys.platform == "linux":
        assert families["process_resident_memory_bytes"].samples[0].value > 0


def test_only_the_given_address_is_bound(server: MetricsServer) -> None:
    """The library's default of all interfaces does not come through."""
    assert server._server.server_address[0] == "127.0.0.1"


def test_a_taken_port_is_explained(metrics: Metrics, server: MetricsServer) -> None:
    """A port in use ends in a sentence that names the setting."""
    with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{server.port} .*`server\.metrics_listen`"):
        serve_metrics(metrics, "127.0.0.1", server.port)


def test_close_gives_the_port_back(metrics: Metrics) -> None:
    """After close nobody listens any more."""
    server = serve_metrics(metrics, "127.0.0.1", 0)
    server.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_profile_has_one_issuer_at_a_time(metrics: Metrics) -> None:
    """After a switch the series of the issuer before is gone, and with a profile all of its series."""
    metrics.show_profile_issuers({"device": "old", "gateway": "old"}, {"device": "new"})
    metrics.profile_not_after("gateway", 5)
    assert value(metrics, "profile_issuer", profile="device", issuer="old") == 1
    assert value(metrics, "profile_next_issuer", profile="device", issuer="new") == 1
    metrics.show_profile_issuers({"device": "new"}, {})
    assert value(metrics, "profile_issuer", profile="device", issuer="new") == 1
    assert value(metrics, "profile_issuer", profile="device", issuer="old") is None
    assert value(metrics, "profile_next_issuer", profile="device", issuer="new") is None
    assert value(metrics, "profile_issuer", profile="gateway", issuer="old") is None
    assert value(metrics, "profile_not_after_timestamp_seconds", profile="gateway") is None


def test_an_issuer_that_is_gone_leaves_no_series(metrics: Metrics) -> None:
    """Its end is nobody's trouble any more; one that was never shown is none either."""
    metrics.issuer_not_after("old", 5)
    metrics.issuer_looked_at("old", up=True)
    metrics.issuer_gone("old")
    metrics.issuer_gone("old")
    assert value(metrics, "issuer_not_after_timestamp_seconds", issuer="old") is None
    assert value(metrics, "issuer_up", issuer="old") is None
