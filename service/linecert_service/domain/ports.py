"""What the rooms need of each other and of the adapters: narrow, so that a caller sees only what it uses."""

import enum
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linecert_service.domain.errors import Refused
from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import EventRecord, Issued, Recorded, State
from linecert_service.domain.requests import Claim, SignedCertificate
from linecert_service.domain.work_orders import (
    ExpectedDevice,
    OrderChange,
    OrderChanged,
    OrderFilter,
    OrderPage,
    WorkOrder,
)

Outcome: TypeAlias = Recorded | Refused
"""What an append made of a certificate."""

OnRecorded: TypeAlias = Callable[[Sequence[Outcome]], None]
"""Called in the event loop with an outcome for each certificate, in their order."""


class Recorder(Protocol):
    """Appends to the log."""

    def submit(self, signed: Sequence[SignedCertificate], on_recorded: OnRecorded) -> None:
        """Take over certificates: they are recorded or refused, whatever becomes of the caller. Returns at once."""

    def record(self, event: NewEvent) -> None:
        """Take over an event. Returns at once."""


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


T = TypeVar("T")


class Signer(Protocol):
    """A CA key, wherever it lives."""

    @property
    def private_key(self) -> CaPrivateKey:
        """Signs, and raises SignerUnavailable where the key is out of reach."""

    @property
    def workers(self) -> int:
        """How many threads sign with it at once; 0: signing is so quick that it is done in the event loop."""

    async def in_turn(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Await `attempt`, which signs with `private_key` in a thread, when it is its turn.

        A signer that may be asked so often only makes it wait here, in the event loop, and repeats it while the signer
        is busy. It is repeated as a whole, so that what it makes is made anew.

        Args:
            attempt: is called for each attempt.
            deadline: seconds on the monotonic clock; its call is refused in time before.

        Raises:
            SignerUnavailable: its turn does not come before the deadline.
        """

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
        """The CA key was used: `ok`, `error`, or for a remote one `throttled` or `unreachable`."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """What the log committed to: `note` is the signed note over its first `size` leaves."""

    size: int
    note: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A leaf as the log hashed it; with the certificate's DER where it is about one."""

    log_index: int
    leaf: bytes
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A leaf, and the RFC 9162 proof that it stands in a tree."""

    leaf: bytes
    hashes: Sequence[bytes]


class LogReader(Protocol):
    """Reads the transparency log. Every method raises StoreUnavailable when the store does not answer.

    `visible_to` is the station that asks, to which only entries of its own exist; None for who sees all.
    """

    def newest_checkpoint(self, at_most: int | None = None) -> Awaitable[SignedCheckpoint | None]:
        """The newest checkpoint, or the newest of a log of `at_most` leaves; None where there is none."""

    def index_of(self, serial: bytes, visible_to: str | None) -> Awaitable[int | None]:
        """Where the certificate with this serial number stands."""

    def inclusion(self, index: int, size: int, visible_to: str | None) -> Awaitable[Inclusion | None]:
        """The proof for leaf `index` in the tree of `size` leaves; None where there is no such entry to see.

        Raises:
            Refused: LOG_INCONSISTENT, leaves that the proof needs are not there.
        """

    def consistency(self, from_size: int, to_size: int) -> Awaitable[Sequence[bytes]]:
        """The proof that the log of `from_size` leaves is the beginning of that of `to_size`.

        Raises:
            Refused: LOG_INCONSISTENT, leaves that the proof needs are not there.
        """

    def entries(self, start: int, stop: int) -> AsyncGenerator[Sequence[LogEntry], None]:
        """The entries from `start` to `stop - 1`, in their order and some at a time.

        An entry that is not there, or cannot be read, is left out: who verifies the log finds the gap.
        """


class ExportReader(Protocol):
    """Reads all that was issued. Raises StoreUnavailable when the store does not answer."""

    def issued(self, wanted: IssuanceFilter, now: float) -> AsyncGenerator[Sequence[Issued], None]:
        """What matches as of the first step, oldest first and some at a time; `now` decides on states."""


class Dimension(enum.Enum):
    """By what a summary is divided."""

    STATION = "station"
    LINE = "line"
    WORK_ORDER = "work_order"
    PROFILE = "profile"


@dataclass(slots=True)
class SummaryRow:
    """What happened in a bucket of time under one value of the dimension.

    Attributes:
        bucket_start: microseconds since 1970.
        value: of the dimension; empty where there is none.
        issued: certificates, replacements among them.
        replacements: certificates for devices that had one before.
        rejected: requests.
    """

    bucket_start: int
    value: str
    issued: int = 0
    replacements: int = 0
    rejected: int = 0


class SummaryReader(Protocol):
    """Counts. Raises StoreUnavailable when the store does not answer."""

    def summarize(
        self, wanted: IssuanceFilter, bucket: int, dimension: Dimension, limit: int
    ) -> Awaitable[Sequence[SummaryRow]]:
        """Counts by buckets of `bucket` microseconds, in the order of time and value.

        Counting ends when there are more than `limit` rows: what is returned then is more than `limit`, and not all.
        """


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are asked for; what is unset or empty lets everything through.

    Attributes:
        kinds: in any order.
        start_time, end_time: microseconds since 1970, half-open.
    """

    kinds: tuple[str, ...] = ()
    station: str | None = None
    registration_key: str | None = None
    start_time: int | None = None
    end_time: int | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, newest first; `next_before` as in `Page`."""

    events: Sequence[EventRecord]
    next_before: int | None


class EventReader(Protocol):
    """Reads events. Raises StoreUnavailable when the store does not answer."""

    def page(self, wanted: EventFilter, before: int | None, size: int) -> Awaitable[EventPage]:
        """At most `size` events below the log index `before` (None: from the newest)."""


class StationLog(Protocol):
    """Reads what the log says of stations. Raises StoreUnavailable when the store does not answer."""

    def newest_changes(self) -> Awaitable[Mapping[str, EventRecord]]:
        """The newest `station_changed` of each station, by its name."""


class ProfileLog(Protocol):
    """Reads and records what the log says of profiles."""

    def tell(self, changes: Callable[[Sequence[EventRecord]], Sequence[NewEvent]]) -> Awaitable[Sequence[NewEvent]]:
        """Record what `changes` makes of the events of profiles, oldest first; returns what was recorded.

        `changes` may be called twice, and in a thread. Nobody else records between what it was given and what it gives.

        Raises:
            StoreUnavailable: the store does not answer.
            Refused: CLOCK_UNTRUSTED.
        """


class WorkOrders(Protocol):
    """The work orders. Every method raises StoreUnavailable when the store does not answer."""

    def change(self, change: OrderChange, actor: str) -> Awaitable[OrderChanged]:
        """Make a change that `actor` asks for, and tell the log of it; both are on disk when this returns.

        A change that is there already is answered with what stands. Who stops waiting does not stop the change.

        Raises:
            Refused: WORK_ORDER_EXISTS, WORK_ORDER_UNKNOWN, WORK_ORDER_CHANGED, WORK_ORDER_BELOW_ISSUED, or
                FIELD_INVALID for a device that is named with two keys.
        """

    def find(self, name: str) -> Awaitable[WorkOrder | None]:
        """The order of this name."""

    def page(self, wanted: OrderFilter, after: str | None, size: int) -> Awaitable[OrderPage]:
        """At most `size` orders behind the name `after` (None: from the first), in the order of their names."""

    def newest_open(self, limit: int) -> Awaitable[Sequence[WorkOrder]]:
        """At most `limit` open orders, those that were opened last."""

    def expected(self, name: str, after: str | None) -> AsyncGenerator[Sequence[ExpectedDevice], None]:
        """The devices that an order names, in the order of their registration keys and some at a time.

        They begin behind the key `after` (None: with the first). What is imported meanwhile may be missing.
        """
