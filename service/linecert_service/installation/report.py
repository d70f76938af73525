"""What `check` found, line by line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linecert_service.config import Profile, Settings
from linecert_service.installation import chains
from linecert_service.installation.trust import Trust
from linecert_service.policy.stations import Stations

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked and is in order.

    Attributes:
        subject: what, as the settings name it.
        detail: what it is.
        ends: until when it is valid; None for what does not end.
    """

    subject: str
    detail: str
    ends: datetime | None = None


def findings(settings: Settings, trust: Trust, stations: Stations, denied: int) -> Iterator[Finding]:
    """What was checked, in the order of the settings file; `denied` keys are on the operator's list."""
    yield Finding("settings", str(settings.path))
    yield _certificate("server.tls_certificate", trust.server.certificate)
    for authority in trust.station_cas.certificates:
        yield _certificate("server.client_ca", authority)
    for name, issuer in trust.issuers.items():
        yield from (_certificate(f"issuers.{name}", certificate) for certificate in issuer.chain)
    for retired in trust.retired:
        yield from (_certificate(f"issuers.{retired.name} (not in use)", one) for one in retired.chain)
    for name, profile in settings.profiles.items():
        yield Finding(f"profiles.{name}", f"{_issuers(profile)}, keys {', '.join(profile.key_types)}")
    yield Finding("log", f"name {settings.log.name}, Ed25519 key {settings.log.key}")
    yield Finding("stations", f"{len(stations.by_name)} callers in {settings.stations}")
    yield Finding("refused keys", f"{len(trust.taken_keys)} of this installation's own")
    if settings.denied_keys is not None:
        yield Finding("denied keys", f"{denied} in {settings.denied_keys}")


def _issuers(profile: Profile) -> str:
    if profile.next_issuer is None:
        return f"issuer {profile.issuer}"
    when = "when switched by command"
    if profile.switch_at is not None:
        when = f"from {chains.utc(datetime.fromtimestamp(profile.switch_at, UTC))} on"
    return f"issuer {profile.issuer}, {profile.next_issuer} {when}"


def _certificate(subject: str, certificate: x509.Certificate) -> Finding:
    detail = f"{certificate.subject.rfc4514_string()}, {key_type(certificate)}"
    return Finding(subject, detail, certificate.not_valid_after_utc)


def key_type(certificate: x509.Certificate) -> str:
    """The kind of its key, such as `P-256` or `RSA-4096`."""
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=size):
            return f"RSA-{size}"
        case ec.EllipticCurvePublicKey(curve=curve):
            return _CURVES.get(curve.name, curve.name)
        case other:
            return type(other).__name__
