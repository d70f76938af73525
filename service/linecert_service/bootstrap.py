"""The only wiring: which adapter goes where, in which order they start, and in which they stop."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import grpc
import grpc.aio
import structlog
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from linecert import contract
from linecert_service import core_dumps, open_files
from linecert_service.config import Settings
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.clock import Clock, ClockGuard, SystemClock
from linecert_service.domain.errors import ConfigurationError, Refused, StoreUnavailable
from linecert_service.domain.issued_counts import SECONDS_OF_DAY
from linecert_service.installation import log_key, trust
from linecert_service.installation.layout import Layout
from linecert_service.installation.trust import Trust
from linecert_service.issuance.pipeline import Pipeline
from linecert_service.issuance.planning import Planner
from linecert_service.issuance.profile import Profile
from linecert_service.issuance.profiles import ProfileTable
from linecert_service.issuance.shared_limits import charge_others
from linecert_service.observability import logging
from linecert_service.observability.health import HealthMonitor, Probe, Readiness
from linecert_service.observability.issuer_keys import IssuerKeys
from linecert_service.observability.metrics import Metrics, serve_metrics
from linecert_service.observability.profile_watch import ProfileWatch
from linecert_service.observability.store_watch import StoreWatch
from linecert_service.observability.work_order_watch import WorkOrderWatch
from linecert_service.policy.limits import Limits
from linecert_service.policy.station_changes import StationChanges
from linecert_service.policy.stations import Station
from linecert_service.reloading import live
from linecert_service.reloading.live import Live, Parts, Watches
from linecert_service.reloading.profiles import ProfileMaker, SettingsReader
from linecert_service.rpc.admission import Admission
from linecert_service.rpc.audit import AuditHandlers
from linecert_service.rpc.audit_trail import AuditTrail
from linecert_service.rpc.batch import BatchHandlers
from linecert_service.rpc.connections import MIN_WAITING, ConnectionLimits
from linecert_service.rpc.dispatch import Dispatcher, Handler
from linecert_service.rpc.health import Health
from linecert_service.rpc.identity import Callers
from linecert_service.rpc.issuing import Issuing
from linecert_service.rpc.log import LogHandlers
from linecert_service.rpc.rejections import Rejections
from linecert_service.rpc.reports import ReportHandlers
from linecert_service.rpc.server import health_server, main_server
from linecert_service.rpc.signing import SigningHandlers
from linecert_service.rpc.tls import LiveTls
from linecert_service.rpc.work_orders import WorkOrderHandlers
from linecert_service.store.backend import MAINTAIN_SECONDS
from linecert_service.store.backends import NEWER, as_sentence
from linecert_service.store.log_guard import LogGuard, proving
from linecert_service.store.service import LogIdentity, Store

DRAIN_SECONDS: Final = 10.0
"""For calls to end, and then for what was taken on to be finished."""
PROBE_DRAIN_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0
"""For a store that cannot write, at the very end."""
CLOSE_SIGNERS_SECONDS: Final = 3.0
LEAVE_SECONDS: Final = 1.0
"""For threads to end, when all else has."""
SHARE_LIMITS_SECONDS: Final = 1.0
"""How often a server looks what the others have issued."""
LOCAL_PENDING: Final = 512
POOLED_PENDING: Final = 2_048

_log = structlog.get_logger("linecert.server")


def serve(settings: Settings) -> int:
    """Run a server until SIGTERM or SIGINT; returns the exit status. SIGHUP has it read its files anew.

    Raises:
        ConfigurationError: it cannot start; the message says why and what to do.
    """
    core_dumps.forbid()
    logs = logging.configure(settings.log_level)
    others = set(threading.enumerate())
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings))
            if hanging := _hanging(others):
                # The runner, and then the interpreter, would wait for them, and a call into a token may never end.
                _log.warning("left threads that hang", threads=hanging)
                logs.close()
                sys.stdout.flush()
                os._exit(0)
    finally:
        logs.close()
    return 0


async def _serve(settings: Settings) -> None:
    stopping, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
    loop.set_default_executor(threads)
    with contextlib.suppress(NotImplementedError, AttributeError):  # Windows
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        loop.add_signal_handler(signal.SIGINT, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, reload.set)
    server = await Server.start(settings, reload=reload)
    try:
        await stopping.wait()
    finally:
        _log.info("draining")
        await server.stop()
        threads.shutdown(wait=False)
        _log.info("stopped")


def _hanging(others: Collection[threading.Thread]) -> list[str]:
    """The names of the threads, beside `others`, that keep the process from ending, and do not end soon."""
    deadline = time.monotonic() + LEAVE_SECONDS
    ours = [thread for thread in threading.enumerate() if thread not in others and not thread.daemon]
    for thread in ours:
        thread.join(max(0.0, deadline - time.monotonic()))
    return sorted(thread.name for thread in ours if thread.is_alive())


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
    async def start(
        cls, settings: Settings, clock: Clock | None = None, *, reload: asyncio.Event | None = None
    ) -> Self:
        """Check everything, open the store, and listen.

        Args:
            settings: of the installation.
            clock: the time; the machine's without one.
            reload: set by whoever wants the files that are watched read at once.

        Raises:
            ConfigurationError: something is wrong, and nothing is left running.
        """
        server = cls(settings, clock or SystemClock())
        try:
            await server._start(reload or asyncio.Event())
        except BaseException:
            await server.stop()
            raise
        return server

    async def stop(self) -> None:
        """Drain and end: admit nothing more, finish and record what was admitted, close."""
        await self._ending.aclose()

    async def _start(self, reload: asyncio.Event) -> None:
        settings, clock = self._settings, self._clock
        watches = Watches.of(settings)
        now = clock.time()
        trusted = trust.check(settings, now)
        # Issuers that are opened later are closed here, too: not before all that was planned with them is finished.
        signers = contextlib.ExitStack()
        self._ending.push_async_callback(_close_signers, signers)
        signers.callback(trusted.close)
        for warning in trusted.warnings:
            _log.warning("check", problem=warning)
        health = Health()
        readiness = Readiness(changed=health.changed)
        guard = ClockGuard(clock)
        store = self._open_store(trusted, readiness, guard)
        maker = ProfileMaker()
        profiles = ProfileTable(maker.make(settings, trusted.issuers, now))
        stations = live.load_stations(settings, trusted.station_cas)
        denied = live.load_denied_keys(settings)
        caller_keys: set[bytes] = set()
        checker = CsrChecker(taken=trusted.taken_keys, denied=denied, callers=caller_keys)
        store.committer.start()
        self._ending.push_async_callback(store.close, PATIENCE_SECONDS)
        changes = StationChanges(store.stations, store.committer.record)
        changes.note(stations)
        await changes.settle()
        profile_watch = ProfileWatch(profiles, store.profiles, guard, self._metrics)
        await profile_watch.look()
        trail = AuditTrail(store.committer.record, clock)
        self._ending.callback(lambda: trail.flush(everything=True))
        callers = Callers(trusted.station_cas, stations, clock, self._metrics, caller_keys)
        limits = _limits(clock, store, callers)
        pipeline = Pipeline(
            Planner(checker, profiles),
            ledger=store.ledger,
            recorder=store.committer,
            limits=limits,
            clock=clock,
            guard=guard,
            meter=self._metrics,
        )
        self._ending.push_async_callback(_drain, pipeline)
        admission = Admission(settings.limits.pending or _pending(profiles))
        self._observe(trusted, store, admission)
        rejections = Rejections(self._metrics, trail, clock)
        dispatcher = Dispatcher(callers, clock, self._metrics, rejections)
        issuing = Issuing(pipeline, admission, profiles=profiles, clock=clock, meter=self._metrics, trail=trail)
        built = {
            "SigningService": {
                **SigningHandlers(issuing, profiles, clock, store.issuers.chains).by_method(),
                **BatchHandlers(issuing, rejections).by_method(),
            },
            "AuditService": _audit_handlers(store, clock, log_key.verifier_keys(settings)),
            "WorkOrderService": WorkOrderHandlers(store.work_orders, profiles, clock).by_method(),
        }
        handlers = [dispatcher.service(service, built.get(service.name, {})) for service in contract.SERVICES]
        keys = IssuerKeys(profiles, clock, self._metrics)
        self._ending.callback(keys.close)
        await self._watch(_probes(keys, store, guard), readiness, store, trail)
        self._run(keys.watch_staged())
        self._run(_share_limits(store, pipeline, limits))
        tls = LiveTls(live.tls_of(trusted))
        reader = SettingsReader(maker, store.add_issuer, settings, trusted)
        parts = Parts(
            callers, checker, tls, self._metrics, changes, profiles, profile_watch, reader, keep_open=signers.callback
        )
        self._run(Live(settings, clock, trusted, denied, parts).reloader(watches, reload).run())
        await self._listen(tls, handlers, health, admission)
        _log.info("serving", listen=settings.server.listen, port=self.port)

    def _open_store(self, trusted: Trust, readiness: Readiness, guard: ClockGuard) -> Store:
        settings, layout = self._settings, Layout(self._settings.folder)
        watch = StoreWatch(self._metrics, readiness)
        try:
            log = LogIdentity(
                settings.log.name, trusted.log_key, guard=LogGuard.load(layout.log_state), published=layout.checkpoints
            )
            with proving():
                store = Store.open(settings.store.url, log, clock=self._clock, guard=guard, watcher=watch)
                store.prove()
                for name, files in trusted.issuers.items():
                    store.add_issuer(name, files.chain)
        except CommandError as error:
            raise ConfigurationError(NEWER) from error
        except SQLAlchemyError as error:
            raise as_sentence(error) from error
        except Refused as error:
            raise ConfigurationError(f"store.url: the audit store cannot be opened: {error}") from error
        return store

    def _observe(self, trusted: Trust, store: Store, admission: Admission) -> None:
        metrics, clock = self._metrics, self._clock
        metrics.pending_requests.set_function(lambda: admission.pending)
        metrics.checkpoint_age_seconds.set_function(
            lambda: clock.time() - store.checkpoints.newest_time if store.checkpoints.newest_time else 0
        )
        live.show_server_certificate(metrics, trusted)

    async def _watch(self, probes: Mapping[str, Probe], readiness: Readiness, store: Store, trail: AuditTrail) -> None:
        gauges = {"signer": self._metrics.signer_up, "store": self._metrics.store_up}
        monitor = HealthMonitor(readiness, probes, gauges)
        await monitor.check()
        self._run(monitor.run())
        self._run(_maintain(store, trail))
        self._run(WorkOrderWatch(store.work_orders, self._metrics).run())

    def _run(self, work: Coroutine[None, None, None]) -> None:
        """Run what ends with the server."""
        task = asyncio.ensure_future(work)
        self._ending.callback(task.cancel)

    async def _listen(
        self,
        tls: LiveTls,
        handlers: Sequence[grpc.GenericRpcHandler],
        health: Health,
        admission: Admission,
    ) -> None:
        server = self._settings.server
        host, _, port = server.metrics_listen.rpartition(":")
        metrics_server = serve_metrics(self._metrics, host.strip("[]"), int(port))
        self.metrics_port = metrics_server.port
        self._ending.push_async_callback(asyncio.to_thread, metrics_server.close)
        probes, self.health_port = health_server(server.health_listen, health)
        main, self.port = main_server(
            server.listen, tls, handlers, health, self._connection_limits(admission.limit), reflect=server.reflection
        )
        await probes.start()
        await main.start()
        self._ending.push_async_callback(_stop_listening, main, probes)
        self._ending.push_async_callback(health.close)
        self._ending.callback(admission.close)

    def _connection_limits(self, pending: int) -> ConnectionLimits:
        limits = self._settings.limits
        connections = open_files.make_room(limits.connections)
        if connections < limits.connections:
            _log.warning(
                "check",
                problem=f"this process may have so few open files that it takes {connections} connections only: raise "
                "LimitNOFILE of the systemd unit, or the hard limit of `ulimit -n`, or lower limits.connections",
            )
        return ConnectionLimits(
            connections,
            limits.handshake,
            limits.connection_idle,
            limits.connection_age,
            waiting=max(MIN_WAITING, pending),
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


def _limits(clock: Clock, store: Store, callers: Callers) -> Limits:
    def find(station: str) -> Station | None:
        # Asked anew each time: the stations are others after a reload.
        return callers.stations.by_name.get(station)

    return Limits(clock, find, store.issued.of_day(int(clock.time()) // SECONDS_OF_DAY))


def _pending(profiles: Mapping[str, Profile]) -> int:
    issuers = [each.issuer for profile in profiles.values() for each in (profile, profile.following) if each]
    pooled = any(issuer.signer.workers for issuer in issuers)
    return POOLED_PENDING if pooled else LOCAL_PENDING


def _probes(keys: IssuerKeys, store: Store, guard: ClockGuard) -> dict[str, Probe]:
    async def clock() -> None:
        guard.now()

    return {"signer": keys.check, "store": store.check, "clock": clock}


async def _stop_listening(main: grpc.aio.Server, probes: grpc.aio.Server) -> None:
    # A probe that watches would hold up the end for as long as it may.
    await asyncio.gather(main.stop(DRAIN_SECONDS), probes.stop(PROBE_DRAIN_SECONDS))


async def _drain(pipeline: Pipeline) -> None:
    # What a store that cannot write holds up goes on to wait in the committer, which has a patience of its own.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await pipeline.drain()


async def _close_signers(signers: contextlib.ExitStack) -> None:
    # A token that hangs does not let itself be closed.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(signers.close), CLOSE_SIGNERS_SECONDS)


async def _maintain(store: Store, trail: AuditTrail) -> None:
    while True:
        await asyncio.sleep(MAINTAIN_SECONDS)
        trail.flush()
        try:
            await store.maintain()
        except StoreUnavailable:
            # The monitor tells when the store does not answer.
            continue
        except Exception:  # noqa: BLE001 - whatever it is, the next turn may do better
            _log.exception("maintenance failed")


async def _share_limits(store: Store, pipeline: Pipeline, limits: Limits) -> None:
    # A task of its own: it waits for what is being recorded, and maintenance must not.
    while True:
        await asyncio.sleep(SHARE_LIMITS_SECONDS)
        try:
            await charge_others(store.issued, pipeline, limits)
        except StoreUnavailable:
            continue
        except Exception:  # noqa: BLE001 - whatever it is, the next second's turn may do better
            _log.exception("what other servers issued was not counted")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
