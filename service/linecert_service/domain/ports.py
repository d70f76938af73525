"""What the issuance path and the RPCs need of the audit store: narrow, so that a caller sees only what it uses."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.domain.errors import Refused
from linecert_service.domain.records import Issued, Recorded, State
from linecert_service.domain.requests import Claim, SignedCertificate

Outcome: TypeAlias = Recorded | Refused
"""What an append made of a certificate."""

OnRecorded: TypeAlias = Callable[[Sequence[Outcome]], None]
"""Called in the event loop with an outcome for each certificate, in their order."""


class Recorder(Protocol):
    """Appends to the log."""

    def submit(self, signed: Sequence[SignedCertificate], on_recorded: OnRecorded) -> None:
        """Take over certificates: they are recorded or refused, whatever becomes of the caller. Returns at once."""


class Ledger(Protocol):
    """Reads what stands, to decide without writing."""

    def replays(self, claims: Sequence[Claim], now: float) -> Awaitable[Sequence[Recorded | None]]:
        """For each claim the answer that it has already, if it has one.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def verdicts(self, claims: Sequence[Claim], now: float) -> Awaitable[Sequence[Outcome | None]]:
        """For each claim what an append would make of it now; None: it would be recorded.

        Raises:
            StoreUnavailable: the store does not answer.
        """


@dataclass(frozen=True, slots=True)
class IssuanceFilter:
    """What of the certificates is asked for; unset fields are None and let everything through.

    Attributes:
        visible_to: only what this station issued: not the caller's wish but its right.
        start_time, end_time: microseconds since 1970, half-open.
        after_log_index: only what came later in the log.
    """

    visible_to: str | None = None
    registration_key: str | None = None
    registration_key_prefix: str | None = None
    station: str | None = None
    line: str | None = None
    work_order: str | None = None
    lot: str | None = None
    profile: str | None = None
    spki_sha256: bytes | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    state: State | None = None
    start_time: int | None = None
    end_time: int | None = None
    after_log_index: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of certificates, newest first.

    Attributes:
        issued: the certificates.
        next_before: the log index below which the next page begins; None at the end.
    """

    issued: Sequence[Issued]
    next_before: int | None


class AuditReader(Protocol):
    """Reads what was issued. Every method raises StoreUnavailable when the store does not answer."""

    def by_serial(self, serial: bytes) -> Awaitable[Issued | None]:
        """The certificate with this serial number."""

    def by_request(self, station: str, request_id: str) -> Awaitable[Issued | None]:
        """What was issued for this request of this station."""

    def newest_of(self, registration_key: str) -> Awaitable[Issued | None]:
        """The device's newest certificate."""

    def page(self, wanted: IssuanceFilter, before: int | None, size: int, now: float) -> Awaitable[Page]:
        """At most `size` certificates below the log index `before` (None: from the newest); `now` decides on states."""


CaPrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey
"""What signs certificates: pyca's classes, or subclasses that sign elsewhere."""


class Signer(Protocol):
    """A CA key, wherever it lives."""

    @property
    def private_key(self) -> CaPrivateKey:
        """Signs, and raises SignerUnavailable where the key is out of reach."""

    @property
    def workers(self) -> int:
        """How many threads sign with it at once; 0: signing is so quick that it is done in the event loop."""

    def check(self) -> None:
        """Look whether the key is in reach, without signing.

        Raises:
            SignerUnavailable: it is not.
        """

    def close(self) -> None:
        """Give the key up."""


class Meter(Protocol):
    """Is told what the issuance path does."""

    def stage_done(self, stage: str, seconds: float) -> None:
        """`validate`, `sign` or `verify` of one certificate took this long."""

    def burst_taken(self, size: int) -> None:
        """A burst of this many requests was taken on."""

    def signature_requested(self, outcome: str) -> None:
        """The CA key was used: `ok`, or `error`."""
