"""The metrics of the service, in a registry of their own, and the port that Prometheus scrapes.

A metric here is a line in docs/operations.md. To add one: a line in `Metrics.__init__`, and a method where its labels
are more than what the caller has at hand.
"""

import contextlib
import platform
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol, Self, TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from linecert_service.domain.errors import ConfigurationError
from linecert_service.domain.work_orders import WorkOrder

MAX_STATIONS: Final = 1000
"""How many stations get a label of their own."""
OTHER_STATIONS: Final = "other"
MAX_WORK_ORDERS: Final = 1000
"""How many open work orders are shown: those that were opened last."""

_REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_BURST_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64)


class _Labelled(Protocol):
    def labels(self, *labelvalues: object) -> Self: ...


_M = TypeVar("_M", bound=_Labelled)


class _Children(dict[tuple[str, ...], _M]):
    """The children of a metric by their label values; looking one up costs a fraction of `labels`."""

    def __init__(self, metric: _M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, values: tuple[str, ...]) -> _M:
        child = self[values] = self._metric.labels(*values)
        return child


class Metrics:
    """All metrics, under the prefix `linecert_`, beside those of process and platform.

    Gauges that follow a value of somebody else are public: their owner sets them, or gives them a function.

    Attributes:
        registry: what is scraped.
        burst_size: certificates in a burst of the pipeline.
        pending_requests: requests that were admitted and are not answered.
        in_flight_rpcs: calls of any kind under way.
        signer_up: 1 when the signer's last probe was good.
        store_up: 1 when the store's last probe was good.
        log_size: leaves of the transparency log.
        checkpoint_age_seconds: age of its newest checkpoint.
        server_certificate_not_after_timestamp_seconds: end of the server's certificate, seconds since 1970.
    """

    def __init__(self) -> None:
        # A time of creation beside each counter would double the number of series, and nothing here reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client does not annotate it
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace="linecert", registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace="linecert", registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, namespace="linecert", registry=registry, buckets=buckets)

        self._issued = _Children(
            counter("issued_certificates", "Certificates issued and recorded.", "issuer", "profile", "line", "station")
        )
        self._rejected = _Children(
            counter("rejected_requests", "Certificate requests refused.", "reason", "line", "station")
        )
        self._replayed = counter("replayed_requests", "Requests answered with a certificate issued before.")
        self._request_seconds = _Children(
            histogram("request_seconds", "Time from a call to its answer.", _REQUEST_BUCKETS, "method", "code")
        )
        self._stage_seconds = _Children(
            histogram("stage_seconds", "Time that a stage of issuing took.", _STAGE_BUCKETS, "stage")
        )
        self.burst_size = histogram("burst_size", "Certificates that were issued together.", _BURST_BUCKETS)
        self.pending_requests = gauge("pending_requests", "Certificate requests admitted and not answered.")
        self.in_flight_rpcs = gauge("in_flight_rpcs", "Calls under way.")
        self.signer_up = gauge("signer_up", "1 when the key of an issuer that signs was reachable at the last look.")
        self._signer_requests = _Children(counter("signer_requests", "Signatures asked of the CA key.", "outcome"))
        self._signer_throttled = counter("signer_throttled", "Signatures that the key's vault put off: too many.")
        self.store_up = gauge("store_up", "1 when the audit store was reachable at the last look.")
        self.log_size = gauge("log_size", "Leaves of the transparency log.")
        self.checkpoint_age_seconds = gauge("checkpoint_age_seconds", "Age of the newest checkpoint of the log.")
        self._issuer_not_after = gauge(
            "issuer_not_after_timestamp_seconds", "When the issuer's certificate ends.", "issuer"
        )
        self._issuer_up = gauge("issuer_up", "1 when the issuer's key was reachable at the last look.", "issuer")
        self._profile_issuer = gauge(
            "profile_issuer", "1 for the issuer that signs certificates of the profile.", "profile", "issuer"
        )
        self._profile_next_issuer = gauge(
            "profile_next_issuer", "1 for the issuer that is staged to follow it.", "profile", "issuer"
        )
        self._profile_not_after = gauge(
            "profile_not_after_timestamp_seconds", "When a certificate of the profile ends that is made now.", "profile"
        )
        self.server_certificate_not_after_timestamp_seconds = gauge(
            "server_certificate_not_after_timestamp_seconds", "When the server's certificate ends."
        )
        self._station_not_after = gauge(
            "station_certificate_not_after_timestamp_seconds",
            "When the certificate ends that a station last called with.",
            "station",
        )
        self._reloads = counter("reloads", "Files read anew by a running server: loaded or failed.", "file", "outcome")
        self._reload_failed = gauge("reload_failed", "1 while a file is not in force as it is.", "file")
        self._order_quantity = gauge("work_order_quantity", "Devices that an open work order is for.", "work_order")
        self._order_issued = gauge("work_order_issued", "Devices that have a certificate of it.", "work_order")
        self._orders: set[str] = set()
        self._signing: dict[str, str] = {}
        self._staged: dict[str, str] = {}
        build_info = gauge("build_info", "1, with the versions that run as labels.", "version", "python")
        build_info.labels(version("linecert"), platform.python_version()).set(1)
        self._stations: dict[str, str] = {}

    def certificate_issued(self, issuer: str, profile: str, line: str, station: str) -> None:
        """Count a certificate that is recorded; not a replay."""
        self._issued[issuer, profile, line, self._station_label(station)].inc()

    def request_rejected(self, reason: str, line: str = "", station: str = "") -> None:
        """Count a certificate request refused for `reason`, by name; of nobody known when `station` is empty."""
        self._rejected[reason, line, self._station_label(station)].inc()

    def request_replayed(self) -> None:
        """Count a request that was answered with a certificate issued before."""
        self._replayed.inc()

    def call_began(self) -> None:
        """Note a call of any method; `call_answered` ends it."""
        self.in_flight_rpcs.inc()

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """Note that a call of `method` ended with the status `code`, by name."""
        self.in_flight_rpcs.dec()
        self._request_seconds[method, code].observe(seconds)

    def burst_taken(self, size: int) -> None:
        """Note that the pipeline took on so many requests together."""
        self.burst_size.observe(size)

    def stage_done(self, stage: str, seconds: float) -> None:
        """Note what `validate`, `sign`, `verify` or `commit` took."""
        self._stage_seconds[(stage,)].observe(seconds)

    def signature_requested(self, outcome: str) -> None:
        """Count a signature asked of the CA key, by its outcome: `ok`, `error`, `throttled` or `unreachable`."""
        self._signer_requests[(outcome,)].inc()
        if outcome == "throttled":
            self._signer_throttled.inc()

    def issuer_not_after(self, issuer: str, timestamp: float) -> None:
        """Note when an issuer's certificate ends, in seconds since 1970."""
        self._issuer_not_after.labels(issuer).set(timestamp)

    def issuer_gone(self, issuer: str) -> None:
        """Forget an issuer that signs nothing any more."""
        for gauge in (self._issuer_not_after, self._issuer_up):
            with contextlib.suppress(KeyError):
                gauge.remove(issuer)

    def issuer_looked_at(self, issuer: str, *, up: bool) -> None:
        """Note whether an issuer's key is in reach."""
        self._issuer_up.labels(issuer).set(up)

    def show_profile_issuers(self, signing: Mapping[str, str], staged: Mapping[str, str]) -> None:
        """Show for each profile, by name, the issuer that signs and the one staged to follow; none shown before."""
        _show_pairs(self._profile_issuer, self._signing, signing)
        _show_pairs(self._profile_next_issuer, self._staged, staged)
        for profile in self._signing.keys() - signing.keys():
            with contextlib.suppress(KeyError):
                self._profile_not_after.remove(profile)
        self._signing, self._staged = dict(signing), dict(staged)

    def profile_not_after(self, profile: str, timestamp: float) -> None:
        """Note when a certificate of a profile ends that is made now, in seconds since 1970."""
        self._profile_not_after.labels(profile).set(timestamp)

    def station_certificate_not_after(self, station: str, timestamp: float) -> None:
        """Note when the certificate ends that a station calls with, in seconds since 1970.

        Stations beyond the cap are left out: the end of one certificate says nothing about the others.
        """
        if self._station_label(station) == station:
            self._station_not_after.labels(station).set(timestamp)

    def station_gone(self, station: str) -> None:
        """Forget when the station's certificate ends, which nobody need renew."""
        with contextlib.suppress(KeyError):  # beyond the cap
            self._station_not_after.remove(station)

    def file_watched(self, file: str) -> None:
        """Show from the start that a file is in force."""
        self._reload_failed.labels(file).set(0)

    def file_reloaded(self, file: str, *, ok: bool) -> None:
        """Count that a file was read anew, and show whether what it says is in force."""
        self._reloads.labels(file, "loaded" if ok else "failed").inc()
        self._reload_failed.labels(file).set(not ok)

    def show_work_orders(self, orders: Iterable[WorkOrder]) -> None:
        """Show these orders, and those shown before no longer."""
        shown = {order.name: order for order in orders}
        for name in self._orders.difference(shown):
            self._order_quantity.remove(name)
            self._order_issued.remove(name)
        for name, order in shown.items():
            self._order_quantity.labels(name).set(order.quantity)
            self._order_issued.labels(name).set(order.issued)
        self._orders = set(shown)

    def _station_label(self, station: str) -> str:
        label = self._stations.get(station)
        if label is None:
            if len(self._stations) >= MAX_STATIONS:
                return OTHER_STATIONS
            label = self._stations[station] = station
        return label


def _show_pairs(gauge: Gauge, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for pair in before.items() - after.items():
        gauge.remove(*pair)
    for pair in after.items():
        gauge.labels(*pair).set(1)


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """The listener that Prometheus scrapes.

    Attributes:
        port: where it listens.
    """

    port: int
    _server: WSGIServer
    _thread: threading.Thread

    def close(self) -> None:
        """Stop listening; takes up to half a second."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(metrics: Metrics, host: str, port: int) -> MetricsServer:
    """Serve `GET /metrics` without TLS at exactly this address, from a thread; port 0 takes a free one.

    Raises:
        ConfigurationError: the address cannot be listened at.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen for metrics at {host}:{port} ({error.strerror}): choose another address in"
            " `server.metrics_listen`"
        ) from error
    return MetricsServer(server.server_port, server, thread)
