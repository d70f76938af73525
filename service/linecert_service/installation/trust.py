"""The checks before a start: keys, chains, and that no device can pass for a station."""

import contextlib
import hashlib
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from linecert_service.config import Issuer, Profile, Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, log_key, own_keys
from linecert_service.installation.chains import Chain, IssuerFiles, load_issuer
from linecert_service.installation.layout import Layout
from linecert_service.policy.identity import StationCas
from linecert_service.signers import key_file
from linecert_service.signers.deferred import DeferredSigner

__all__ = [
    "IssuerFiles",
    "ServerFiles",
    "Trust",
    "check",
    "check_apart",
    "load_issuer",
    "load_own_keys",
    "load_server",
    "load_station_cas",
    "open_issuers",
    "retired_issuers",
]

_SOON: Final = timedelta(days=30)


class NamedChain(Protocol):
    """An issuer, as far as its certificates say what it is."""

    @property
    def name(self) -> str:
        """As in `[issuers.NAME]`."""

    @property
    def chain(self) -> Chain:
        """Its certificate, the intermediates above it, and the root last."""


@dataclass(frozen=True, slots=True)
class RetiredIssuer:
    """An issuer that signs nothing, and will not; see `NamedChain`."""

    name: str
    chain: Chain


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The server's side of TLS, as gRPC takes it.

    Attributes:
        certificate: the server's own.
        certificate_pem: the same, then any intermediates.
        key_pem: its private key, unencrypted PKCS#8.
    """

    certificate: x509.Certificate
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a server starts with, all of it checked.

    Attributes:
        issuers: those that sign or may later, by name, open.
        retired: the other ones in the settings: what they have issued is still about.
        server: its side of TLS.
        station_cas: who vouches for callers.
        log_key: signs the checkpoints.
        own_keys: SHA-256 of the SubjectPublicKeyInfos that this installation made for itself and its callers.
        warnings: what does not keep it from starting, in sentences for the operator.
    """

    issuers: Mapping[str, IssuerFiles]
    server: ServerFiles
    station_cas: StationCas
    log_key: Ed25519PrivateKey = field(repr=False)
    own_keys: frozenset[bytes]
    warnings: tuple[str, ...]
    retired: Sequence[RetiredIssuer] = ()

    @property
    def all_issuers(self) -> tuple[NamedChain, ...]:
        """Those that sign, those that may later, and those that do not any more."""
        return (*self.issuers.values(), *self.retired)

    @property
    def taken_keys(self) -> frozenset[bytes]:
        """SHA-256 of the SubjectPublicKeyInfos that no device may come with: those in use, and those made here."""
        return self.own_keys | _used_keys(self)

    def close(self) -> None:
        """Give the issuers' keys up."""
        for issuer in self.issuers.values():
            issuer.signer.close()


def check(settings: Settings, now: float) -> Trust:
    """Read and check everything that the settings name, as of `now`, in seconds since 1970.

    Raises:
        ConfigurationError: the first thing that is wrong, and what to do.
    """
    with contextlib.ExitStack() as opened:
        issuers = open_issuers(settings, settings.issuers_from(now), now, may_wait=_staged(settings, now))
        for issuer in issuers.values():
            opened.callback(issuer.signer.close)
        retired, unread = retired_issuers(settings, issuers)
        station_cas = load_station_cas(settings, (*issuers.values(), *retired))
        server = load_server(settings, now)
        trusted = Trust(
            issuers=issuers,
            server=server,
            station_cas=station_cas,
            log_key=log_key.load(settings.log.key),
            own_keys=load_own_keys(settings),
            warnings=(
                *_warnings(settings, issuers, station_cas, server, datetime.fromtimestamp(now, UTC)),
                *unread,
            ),
            retired=retired,
        )
        # From here on it is the caller's to close them.
        opened.pop_all()
    return trusted


def open_issuers(
    settings: Settings, names: Iterable[str], now: float, *, may_wait: Container[str] = ()
) -> dict[str, IssuerFiles]:
    """Read and open these issuers; they are the caller's to close. Blocks where their keys live elsewhere.

    Those in `may_wait` may have a key that is out of reach now: a look at it opens it later.

    Raises:
        ConfigurationError: one of them may not issue, or cannot be opened; the others are closed then.
    """
    with contextlib.ExitStack() as opened:
        issuers = {}
        for name in (name for name in settings.issuers if name in set(names)):
            load = chains.load_staged_issuer if name in may_wait else load_issuer
            issuers[name] = load(name, settings.issuers[name], now)
            opened.callback(issuers[name].signer.close)
        opened.pop_all()
    return issuers


def retired_issuers(settings: Settings, opened: Container[str]) -> tuple[list[RetiredIssuer], list[str]]:
    """The issuers in the settings that are not `opened`, and a warning for each whose chain cannot be read.

    They sign nothing, so neither their keys nor their dates matter. What they have issued matters to `check_apart`.
    """
    retired, warnings = [], []
    for name, issuer in settings.issuers.items():
        if name not in opened:
            try:
                chain = chains.read_certificates(issuer.chain, f"issuers.{name}.chain")
                retired.append(RetiredIssuer(name, chain))
            except ConfigurationError as error:
                warnings.append(f"no profile needs issuers.{name}, and its chain is left out of the checks: {error}")
    return retired, warnings


def load_station_cas(settings: Settings, issuers: Iterable[NamedChain]) -> StationCas:
    """Read the client CA file, and check that no device certificate of `issuers` passes for a station's.

    Raises:
        ConfigurationError: one would, a certificate is no CA's, or the file cannot be read.
    """
    path = settings.server.client_ca
    station_cas = StationCas(chains.read_certificates(path, "server.client_ca"))
    for authority in station_cas.certificates:
        chains.check_ca(authority, str(path))
    check_apart(station_cas, path, issuers)
    return station_cas


def check_apart(station_cas: StationCas, path: Path, issuers: Iterable[NamedChain]) -> None:
    """Check that no device certificate of `issuers` passes for a station's.

    Raises:
        ConfigurationError: one would; the message names the client CA file, which is at `path`.
    """
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


def load_server(settings: Settings, now: float) -> ServerFiles:
    """Read the server's certificate and key, and check that they belong together and are valid at `now`.

    Raises:
        ConfigurationError: they do not or are not, or a file cannot be read.
    """
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
    )


def load_own_keys(settings: Settings) -> frozenset[bytes]:
    """SHA-256 of the SubjectPublicKeyInfos that this installation has made.

    Raises:
        ConfigurationError: the list cannot be read.
    """
    return frozenset() if settings.own_keys is None else own_keys.read(settings.own_keys)


def _staged(settings: Settings, now: float) -> frozenset[str]:
    """The issuers that sign nothing yet."""
    return settings.issuers_from(now) - {profile.issuer_at(now) for profile in settings.profiles.values()}


def _used_keys(trusted: Trust) -> frozenset[bytes]:
    """Those of the CAs, of the server and of the log."""
    chains_of_issuers = [certificate for issuer in trusted.all_issuers for certificate in issuer.chain]
    chain_of_server = x509.load_pem_x509_certificates(trusted.server.certificate_pem)
    certificates = (*chains_of_issuers, *trusted.station_cas.certificates, *chain_of_server)
    keys = (*(certificate.public_key() for certificate in certificates), trusted.log_key.public_key())
    return frozenset(hashlib.sha256(chains.spki(key)).digest() for key in keys)


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
        yield from _away(issuer)
        yield from _exposed(settings.issuers[issuer.name], issuer)
        for certificate in issuer.chain:
            yield from _ending(certificate, now, "after that nothing is issued: add a new issuer before")
    for name, profile in settings.profiles.items():
        for issuer_name in profile.issuers_from(now.timestamp()):
            yield from _too_short(name, profile, issuers[issuer_name], now)


def _away(issuer: IssuerFiles) -> Iterator[str]:
    if isinstance(issuer.signer, DeferredSigner):
        yield (
            f"issuers.{issuer.name} is staged and could not sign yet, which its key is tried for until it can: "
            f"{issuer.signer.problem}"
        )


def _exposed(settings: Issuer, issuer: IssuerFiles) -> Iterator[str]:
    if settings.allow_plain_key:
        yield f"issuers.{issuer.name} may have an unencrypted key (allow_plain_key): whoever reads a copy can sign"
    # Only a token can tell.
    if getattr(issuer.signer, "may_leave", False):
        yield f"the key of issuers.{issuer.name} may leave its token: make one with CKA_EXTRACTABLE = false"


def _ending(certificate: x509.Certificate, now: datetime, consequence: str) -> Iterator[str]:
    end = certificate.not_valid_after_utc
    if end - now < _SOON:
        yield f"the certificate {chains.subject(certificate)} ends at {chains.utc(end)}: {consequence}"


def _too_short(name: str, profile: Profile, issuer: IssuerFiles, now: datetime) -> Iterator[str]:
    """Where certificates of a profile would end after their issuer."""
    staged = issuer.name != profile.issuer_at(now.timestamp())
    begin = max(int(now.timestamp()), profile.switch_at or 0) if staged else int(now.timestamp())
    end = begin + profile.validity - 1 if profile.validity is not None else profile.not_after
    earliest = min(certificate.not_valid_after_utc for certificate in issuer.chain)
    if end is None or end <= earliest.timestamp():
        return
    once = " once it signs" if staged else ""
    reaches = f"profiles.{name} reaches past the end of issuers.{issuer.name} at {chains.utc(earliest)}, so"
    if profile.clamp:
        yield f"{reaches} certificates end with it{once}, sooner than the profile says: stage a next_issuer that lasts"
    else:
        yield (
            f"{reaches} every request is refused with VALIDITY_EXCEEDS_ISSUER{once}: stage a next_issuer that lasts, "
            "set a shorter validity, or clamp = true"
        )
