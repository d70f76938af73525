"""The only wiring: which adapter goes where, in which order they start, and in which they stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import grpc
import grpc.aio
import structlog
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from linecert import contract
from linecert_service.config import Profile as ProfileSettings
from linecert_service.config import Settings
from linecert_service.csr import deny_list
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.clock import Clock, ClockGuard, SystemClock
from linecert_service.domain.errors import ConfigurationError, Refused, StoreUnavailable
from linecert_service.installation import log_key, trust
from linecert_service.installation.layout import Layout
from linecert_service.installation.trust import Trust
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.pipeline import Pipeline
from linecert_service.issuance.planning import Planner
from linecert_service.issuance.profile import Profile
from linecert_service.observability import logging
from linecert_service.observability.health import HealthMonitor, Probe, Readiness
from linecert_service.observability.metrics import Metrics, serve_metrics
from linecert_service.observability.store_watch import StoreWatch
from linecert_service.policy.limits import DAY, Limits
from linecert_service.policy.stations import Stations
from linecert_service.rpc.admission import Admission
from linecert_service.rpc.audit import AuditHandlers
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.dispatch import Dispatcher, Handler
from linecert_service.rpc.health import Health
from linecert_service.rpc.identity import Callers
from linecert_service.rpc.log import LogHandlers
from linecert_service.rpc.reports import ReportHandlers
from linecert_service.rpc.server import Tls, health_server, main_server
from linecert_service.rpc.signing import SigningHandlers
from linecert_service.signers.local import LocalSigner
from linecert_service.store.backends import NEWER, as_sentence
from linecert_service.store.log_guard import LogGuard, LogInconsistent
from linecert_service.store.service import LogIdentity, Store

DRAIN_SECONDS: Final = 10.0
"""For calls to end, and then for what was taken on to be finished."""
PROBE_DRAIN_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0
"""For a store that cannot write, at the very end."""
MAINTENANCE_SECONDS: Final = 1.0
LOCAL_PENDING: Final = 512
POOLED_PENDING: Final = 2_048

_log = structlog.get_logger("linecert.server")


def serve(settings: Settings) -> int:
    """Run a server until SIGTERM or SIGINT; returns the exit status.

    Raises:
        ConfigurationError: it cannot start; the message says why and what to do.
    """
    logs = logging.configure(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings))
    finally:
        logs.close()
    return 0


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stopping.set)
    server = await Server.start(settings)
    try:
        await stopping.wait()
    finally:
        _log.info("draining")
        await server.stop()
        _log.info("stopped")


class Server:
    """A server that runs: made by `start`, ended by `stop`.

    Attributes:
        port: where callers call.
        health_port: where probes ask.
        metrics_port: what Prometheus scrapes.
    """

    port: int
    health_port: int
    metrics_port: int

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = Metrics()
        # What was begun is ended in reverse order, also when a later step of the start fails.
        self._ending = contextlib.AsyncExitStack()

    @classmethod
    async def start(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """Check everything, open the store, and listen.

        Raises:
            ConfigurationError: something is wrong, and nothing is left running.
        """
        server = cls(settings, clock or SystemClock())
        try:
            await server._start()
        except BaseException:
            await server.stop()
            raise
        return server

    async def stop(self) -> None:
        """Drain and end: admit nothing more, finish and record what was admitted, close."""
        await self._ending.aclose()

    async def _start(self) -> None:
        settings, clock = self._settings, self._clock
        trusted = trust.check(settings, clock.time())
        for warning in trusted.warnings:
            _log.warning("check", problem=warning)
        health = Health()
        readiness = Readiness(changed=health.changed)
        guard = ClockGuard(clock)
        store = self._open_store(trusted, readiness, guard)
        profiles = self._profiles(trusted)
        stations = self._stations(trusted)
        store.committer.start()
        self._ending.push_async_callback(store.close, PATIENCE_SECONDS)
        trail = AuditTrail(store.committer.record, clock)
        self._ending.callback(lambda: trail.flush(everything=True))
        pipeline = Pipeline(
            Planner(self._csr_checker(trusted), profiles),
            ledger=store.ledger,
            recorder=store.committer,
            limits=_limits(clock, store, stations),
            clock=clock,
            guard=guard,
            meter=self._metrics,
        )
        self._ending.push_async_callback(_drain, pipeline)
        admission = Admission(settings.limits.pending or _pending(profiles))
        self._observe(trusted, profiles, store, admission)
        callers = Callers(trusted.station_cas, stations, clock, self._metrics)
        dispatcher = Dispatcher(callers, clock, self._metrics, trail)
        signing = SigningHandlers(pipeline, admission, profiles=profiles, clock=clock, meter=self._metrics, trail=trail)
        built = {
            "SigningService": signing.by_method(),
            "AuditService": _audit_handlers(store, clock, log_key.verifier_keys(settings)),
        }
        handlers = [dispatcher.service(service, built.get(service.name, {})) for service in contract.SERVICES]
        await self._watch(_probes(profiles, store, guard), readiness, store, trail)
        await self._listen(trusted, handlers, health, admission)
        _log.info("serving", listen=settings.server.listen, port=self.port)

    def _open_store(self, trusted: Trust, readiness: Readiness, guard: ClockGuard) -> Store:
        settings, layout = self._settings, Layout(self._settings.folder)
        watch = StoreWatch(self._metrics, readiness)
        try:
            log = LogIdentity(
                settings.log.name, trusted.log_key, guard=LogGuard.load(layout.log_state), published=layout.checkpoints
            )
            store = Store.open(settings.store.url, log, clock=self._clock, guard=guard, watcher=watch)
            store.prove()
            for name, files in trusted.issuers.items():
                store.add_issuer(name, files.chain)
        except CommandError as error:
            raise ConfigurationError(NEWER) from error
        except LogInconsistent as error:
            raise ConfigurationError(
                f"{error.message}; the database was restored or altered: see 'After a restore' in docs/operations.md"
            ) from error
        except SQLAlchemyError as error:
            raise as_sentence(error) from error
        except Refused as error:
            raise ConfigurationError(f"store.url: the audit store cannot be opened: {error}") from error
        return store

    def _profiles(self, trusted: Trust) -> dict[str, Profile]:
        issuers = {
            name: Issuer(name, files.chain, LocalSigner(files.private_key)) for name, files in trusted.issuers.items()
        }
        for issuer in issuers.values():
            self._ending.callback(issuer.signer.close)
        return {
            name: _profile(name, profile, issuers[profile.issuer]) for name, profile in self._settings.profiles.items()
        }

    def _csr_checker(self, trusted: Trust) -> CsrChecker:
        path = self._settings.denied_keys
        return CsrChecker(taken=trusted.taken_keys, denied=deny_list.read(path) if path else frozenset())

    def _stations(self, trusted: Trust) -> Stations:
        return Stations.load(self._settings.stations, station_cas=trusted.station_cas, profiles=self._settings.profiles)

    def _observe(self, trusted: Trust, profiles: Mapping[str, Profile], store: Store, admission: Admission) -> None:
        metrics, clock = self._metrics, self._clock
        metrics.pending_requests.set_function(lambda: admission.pending)
        metrics.checkpoint_age_seconds.set_function(
            lambda: clock.time() - store.checkpoints.newest_time if store.checkpoints.newest_time else 0
        )
        metrics.server_certificate_not_after_timestamp_seconds.set(
            trusted.server.certificate.not_valid_after_utc.timestamp()
        )
        for profile in profiles.values():
            metrics.issuer_not_after(profile.issuer.name, profile.issuer.not_after)

    async def _watch(self, probes: Mapping[str, Probe], readiness: Readiness, store: Store, trail: AuditTrail) -> None:
        gauges = {"signer": self._metrics.signer_up, "store": self._metrics.store_up}
        monitor = HealthMonitor(readiness, probes, gauges)
        await monitor.check()
        for work in (monitor.run(), _maintain(store, trail)):
            task = asyncio.ensure_future(work)
            self._ending.callback(task.cancel)

    async def _listen(
        self,
        trusted: Trust,
        handlers: Sequence[grpc.GenericRpcHandler],
        health: Health,
        admission: Admission,
    ) -> None:
        server = self._settings.server
        tls = Tls(trusted.server.key_pem, trusted.server.certificate_pem, trusted.server.client_ca_pem)
        host, _, port = server.metrics_listen.rpartition(":")
        metrics_server = serve_metrics(self._metrics, host.strip("[]"), int(port))
        self.metrics_port = metrics_server.port
        self._ending.push_async_callback(asyncio.to_thread, metrics_server.close)
        probes, self.health_port = health_server(server.health_listen, health)
        main, self.port = main_server(server.listen, tls, handlers, health, reflect=server.reflection)
        await probes.start()
        await main.start()
        self._ending.push_async_callback(_stop_listening, main, probes)
        self._ending.push_async_callback(health.close)
        self._ending.callback(admission.close)


def _profile(name: str, settings: ProfileSettings, issuer: Issuer) -> Profile:
    return Profile(
        name,
        issuer,
        validity=settings.validity,
        max_validity=settings.max_validity,
        not_after=settings.not_after,
        backdate=settings.backdate,
        clamp=settings.clamp,
        key_types=settings.key_types,
        subject=settings.subject,
    )


def _audit_handlers(store: Store, clock: Clock, announced: Sequence[str]) -> dict[str, Handler]:
    audit, key = store.audit, store.verifier_key
    # The key in use comes first, and is there even where pki/log.pub is not.
    keys = list(dict.fromkeys((str(key), *announced)))
    return {
        **AuditHandlers(audit.certificates, audit.exports, clock).by_method(),
        **ReportHandlers(audit.summaries, audit.events).by_method(),
        **LogHandlers(audit.log, origin=key.name, verifier_keys=keys).by_method(),
    }


def _limits(clock: Clock, store: Store, stations: Stations) -> Limits:
    counted = [name for name, station in stations.by_name.items() if station.per_day is not None]
    midnight = int(clock.time()) // DAY * DAY
    return Limits(clock, store.issued_since(midnight, counted) if counted else {})


def _pending(profiles: Mapping[str, Profile]) -> int:
    pooled = any(profile.issuer.signer.workers for profile in profiles.values())
    return POOLED_PENDING if pooled else LOCAL_PENDING


def _probes(profiles: Mapping[str, Profile], store: Store, guard: ClockGuard) -> dict[str, Probe]:
    async def signer() -> None:
        for profile in profiles.values():
            profile.issuer.check()

    async def clock() -> None:
        guard.now()

    return {"signer": signer, "store": store.check, "clock": clock}


async def _stop_listening(main: grpc.aio.Server, probes: grpc.aio.Server) -> None:
    # A probe that watches would hold up the end for as long as it may.
    await asyncio.gather(main.stop(DRAIN_SECONDS), probes.stop(PROBE_DRAIN_SECONDS))


async def _drain(pipeline: Pipeline) -> None:
    # What a store that cannot write holds up goes on to wait in the committer, which has a patience of its own.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await pipeline.drain()


async def _maintain(store: Store, trail: AuditTrail) -> None:
    while True:
        await asyncio.sleep(MAINTENANCE_SECONDS)
        trail.flush()
        try:
            await store.maintain()
        except StoreUnavailable:
            # The monitor tells when the store does not answer.
            continue
        except Exception:  # noqa: BLE001 - whatever it is, the next second's turn may do better
            _log.exception("maintenance failed")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
