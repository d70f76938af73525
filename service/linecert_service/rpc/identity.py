"""From a call to its caller: the peer certificate that TLS accepted, against `stations.toml`."""

import contextlib
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import unquote

import grpc.aio

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import Refused
from linecert_service.issuance.planning import Caller
from linecert_service.policy.identity import PeerCertificate, StationCas
from linecert_service.policy.stations import Stations

_PEER_CERTIFICATE: Final = "x509_pem_cert"
_CACHED_CERTIFICATES: Final = 4096

ServicerContext = grpc.aio.ServicerContext[Any, Any]


class CallerMeter(Protocol):
    """Is told of callers' certificates."""

    def station_certificate_not_after(self, station: str, timestamp: float) -> None:
        """The certificate that the station calls with ends then, in seconds since 1970."""

    def station_gone(self, station: str) -> None:
        """The station does not call any more."""


class Callers:
    """Finds callers.

    A certificate is read once and remembered; expiry, revocation and the station's entry are judged on every call,
    since a connection lives for days. Belongs to the event loop.

    Args:
        station_cas: the CAs that vouch for callers.
        stations: who may call.
        clock: the time.
        meter: is told when callers' certificates end.
        keys: is filled with the SHA-256 of the public key of each caller that is let in.

    Attributes:
        stations: who may call now.
    """

    stations: Stations

    def __init__(
        self,
        station_cas: StationCas,
        stations: Stations,
        clock: Clock,
        meter: CallerMeter,
        keys: set[bytes] | None = None,
    ) -> None:
        self._clock = clock
        self._meter = meter
        self._keys = set() if keys is None else keys
        self._told: dict[str, float] = {}
        self.replace(station_cas, stations)

    def replace(self, station_cas: StationCas, stations: Stations) -> None:
        """Judge by these from the next call on, also on connections that are open. Calls under way go on."""
        self.stations = stations
        # With it goes what was read of certificates: by whom they were issued. Refusals are not remembered: they raise.
        self._parse = lru_cache(_CACHED_CERTIFICATES)(lambda pem: PeerCertificate.parse(pem, station_cas))
        for gone in self._told.keys() - stations.by_name.keys():
            del self._told[gone]
            self._meter.station_gone(gone)

    def describe(self, context: ServicerContext) -> dict[str, object]:
        """What an operator needs to find a caller that was refused: its address, and what its certificate says.

        Nothing is told of a certificate that no station CA signed: anybody can write anything into one.
        """
        facts: dict[str, object] = {"peer": unquote(context.peer())}
        pem = next(iter(context.auth_context().get(_PEER_CERTIFICATE, ())), None)
        if pem is None:
            return facts
        with contextlib.suppress(Refused):
            peer = self._parse(pem)
            facts["certificate_sha256"] = peer.sha256
            facts["certificate_serial"] = f"{peer.serial:x}"
            if uris := [identity.value for identity in peer.identities if identity.kind == "uri"]:
                facts["certificate_uris"] = uris
        return facts

    def of(self, context: ServicerContext) -> Caller:
        """Who calls.

        Raises:
            Refused: CALLER_UNKNOWN, CALLER_DISABLED, CALLER_CERTIFICATE_EXPIRED, CALLER_CERTIFICATE_REVOKED.
        """
        pem = next(iter(context.auth_context().get(_PEER_CERTIFICATE, ())), None)
        if pem is None:
            raise Refused(reasons.ERROR_REASON_CALLER_UNKNOWN, "the call came without a client certificate")
        peer = self._parse(pem)
        station = self.stations.admit(peer, self._clock.time())
        self._keys.add(peer.spki_sha256)
        if self._told.get(station.name) != peer.not_after:
            self._told[station.name] = peer.not_after
            self._meter.station_certificate_not_after(station.name, peer.not_after)
        return Caller(station, peer.spki_sha256)
