"""The checks before a start: keys, chains, and that no device can pass for a station."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from linecert_service.config import Profile, Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, log_key, own_keys
from linecert_service.installation.chains import IssuerFiles, load_issuer
from linecert_service.installation.layout import Layout
from linecert_service.policy.identity import StationCas
from linecert_service.signers import key_file

__all__ = ["IssuerFiles", "ServerFiles", "Trust", "check", "load_issuer"]

_SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The server's side of TLS, as gRPC takes it.

    Attributes:
        certificate: the server's own.
        certificate_pem: the same, then any intermediates.
        key_pem: its private key, unencrypted PKCS#8.
        client_ca_pem: the station CAs.
    """

    certificate: x509.Certificate
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    client_ca_pem: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """What a server starts with, all of it checked.

    Attributes:
        issuers: by name.
        server: its side of TLS.
        station_cas: who vouches for callers.
        log_key: signs the checkpoints.
        taken_keys: SHA-256 of the SubjectPublicKeyInfos that no device may come with.
        warnings: what does not keep it from starting, in sentences for the operator.
    """

    issuers: Mapping[str, IssuerFiles]
    server: ServerFiles
    station_cas: StationCas
    log_key: Ed25519PrivateKey = field(repr=False)
    taken_keys: frozenset[bytes]
    warnings: tuple[str, ...]


def check(settings: Settings, now: float) -> Trust:
    """Read and check everything that the settings name, as of `now`, in seconds since 1970.

    Raises:
        ConfigurationError: the first thing that is wrong, and what to do.
    """
    issuers = {name: load_issuer(name, issuer, now) for name, issuer in settings.issuers.items()}
    station_cas = _load_station_cas(settings, issuers.values())
    server = _load_server(settings, now)
    own_log_key = log_key.load(settings.log.key)
    return Trust(
        issuers=issuers,
        server=server,
        station_cas=station_cas,
        log_key=own_log_key,
        taken_keys=_taken_keys(settings, issuers.values(), station_cas, server, own_log_key),
        warnings=tuple(_warnings(settings, issuers, station_cas, server, datetime.fromtimestamp(now, UTC))),
    )


def _load_station_cas(settings: Settings, issuers: Iterable[IssuerFiles]) -> StationCas:
    path = settings.server.client_ca
    station_cas = StationCas(chains.read_certificates(path, "server.client_ca"))
    for authority in station_cas.certificates:
        chains.check_ca(authority, str(path))
    # Each link of a chain was verified against the certificate above it, so a chain leads to a client CA exactly when
    # it holds that CA's key, under whatever certificate.
    keys = {chains.spki(certificate.public_key()) for certificate in station_cas.certificates}
    for issuer in issuers:
        for certificate in issuer.chain:
            if chains.spki(certificate.public_key()) in keys:
                raise ConfigurationError(
                    f"the client CA file {path} holds the key of {chains.subject(certificate)}, which stands in the "
                    f"chain of issuers.{issuer.name}, so a device certificate could pass for a station's: leave only "
                    "station CAs in that file, which issue no device certificates"
                )
    return station_cas


def _load_server(settings: Settings, now: float) -> ServerFiles:
    path, key_path = settings.server.tls_certificate, settings.server.tls_key
    certificates = chains.read_certificates(path, "server.tls_certificate")
    key = key_file.load(key_path, None, allow_plain=True)
    if chains.spki(key.public_key()) != chains.spki(certificates[0].public_key()):
        raise ConfigurationError(
            f"the key {key_path} does not belong to the first certificate of {path}: correct server.tls_key or "
            "server.tls_certificate"
        )
    chains.check_dates(certificates[0], now, "make a new one with `linecert-server server-certificate renew`")
    return ServerFiles(
        certificate=certificates[0],
        certificate_pem=b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        client_ca_pem=settings.server.client_ca.read_bytes(),
    )


def _taken_keys(
    settings: Settings,
    issuers: Iterable[IssuerFiles],
    station_cas: StationCas,
    server: ServerFiles,
    own_log_key: Ed25519PrivateKey,
) -> frozenset[bytes]:
    certificates = [certificate for issuer in issuers for certificate in issuer.chain]
    keys = [certificate.public_key() for certificate in (*certificates, *station_cas.certificates, server.certificate)]
    used = frozenset(hashlib.sha256(chains.spki(key)).digest() for key in (*keys, own_log_key.public_key()))
    return used if settings.own_keys is None else used | own_keys.read(settings.own_keys)


def _warnings(
    settings: Settings,
    issuers: Mapping[str, IssuerFiles],
    station_cas: StationCas,
    server: ServerFiles,
    now: datetime,
) -> Iterator[str]:
    offline = Layout(settings.folder).offline
    if any(os.access(path, os.R_OK) for path in offline.glob("*.key.pem")):
        yield f"the CA keys in {offline} are readable here: move the folder to where this machine cannot reach it"
    yield from _ending(server.certificate, now, "renew it with `linecert-server server-certificate renew`")
    for certificate in station_cas.certificates:
        yield from _ending(certificate, now, "its callers are refused after that: add a new station CA")
    for issuer in issuers.values():
        for certificate in issuer.chain:
            yield from _ending(certificate, now, "after that nothing is issued: add a new issuer before")
    for name, profile in settings.profiles.items():
        yield from _unreachable(name, profile, issuers[profile.issuer], now)


def _ending(certificate: x509.Certificate, now: datetime, consequence: str) -> Iterator[str]:
    end = certificate.not_valid_after_utc
    if end - now < _SOON:
        yield f"the certificate {chains.subject(certificate)} ends at {chains.utc(end)}: {consequence}"


def _unreachable(name: str, profile: Profile, issuer: IssuerFiles, now: datetime) -> Iterator[str]:
    earliest = min(certificate.not_valid_after_utc for certificate in issuer.chain)
    asked = profile.not_after if profile.validity is None else int(now.timestamp()) + profile.validity
    if asked is not None and asked > earliest.timestamp() and not profile.clamp:
        yield (
            f"profiles.{name} reaches past the end of issuers.{issuer.name} at {chains.utc(earliest)}, so every "
            "request is refused with VALIDITY_EXCEEDS_ISSUER: set a shorter validity, or clamp = true"
        )
