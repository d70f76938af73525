"""Work orders: how many devices may get a certificate, which ones, and how a planner changes that.

Times are microseconds since 1970, UTC.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A work order as it stands.

    Attributes:
        name: as the MES calls it.
        lines: on which it is made; empty: on any.
        profile: of its certificates.
        quantity: how many devices may get one.
        issued: how many have.
        replacement_limit: how many certificates may be replaced.
        replacements: how many were.
        registration_id_patterns: globs, any of which a registration ID must match; empty: any ID.
        expected_devices: how many devices it names; once there are any, no other one is issued for it.
        open: whether it takes new devices.
        open_time: when it was opened first.
        close_time: when it was closed; None while it is open.
        revision: counts its changes, from 1.
    """

    name: str
    lines: tuple[str, ...]
    profile: str
    quantity: int
    issued: int
    replacement_limit: int
    replacements: int
    registration_id_patterns: tuple[str, ...]
    expected_devices: int
    open: bool
    open_time: int
    close_time: int | None
    revision: int

    @property
    def etag(self) -> str:
        """Changes with every change but that of a count (AIP-154); opaque to callers."""
        identity = f"{self.open_time}\n{self.revision}\n{self.name}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A new work order; attributes as those of `WorkOrder`."""

    name: str
    profile: str
    quantity: int
    replacement_limit: int = 0
    lines: tuple[str, ...] = ()
    registration_id_patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """Other values for a work order; None: as it is.

    Attributes:
        etag: the one that the order must have; None: any.
    """

    name: str
    etag: str | None = None
    quantity: int | None = None
    replacement_limit: int | None = None
    lines: tuple[str, ...] | None = None
    registration_id_patterns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """The order takes no new device."""

    name: str


@dataclass(frozen=True, slots=True)
class ReopenOrder:
    """The order takes new devices again."""

    name: str


class ExpectedDevice(NamedTuple):
    """A device that an order names.

    Attributes:
        registration_key: its registration ID as it is compared.
        spki_sha256: SHA-256 of the only public key that it may have; None: any.
    """

    registration_key: str
    spki_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class ExpectDevices:
    """The order names these devices, too. In one transaction, so not more than a few thousand."""

    name: str
    devices: Sequence[ExpectedDevice]


OrderChange: TypeAlias = OpenOrder | UpdateOrder | CloseOrder | ReopenOrder | ExpectDevices


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """A change is on disk, or had been before.

    Attributes:
        order: as it stands now.
        added: how many devices it names that it did not name before.
    """

    order: WorkOrder
    added: int = 0


OrderOutcome: TypeAlias = OrderChanged | Refused
"""What became of a change."""


@dataclass(frozen=True, slots=True)
class OrderScope:
    """The orders that a station may issue for: of its line or of any, with one of its profiles."""

    line: str
    profiles: tuple[str, ...]

    def holds(self, order: WorkOrder) -> bool:
        """Whether the station may issue for this one."""
        return (not order.lines or self.line in order.lines) and order.profile in self.profiles


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are asked for; None lets everything through.

    Attributes:
        visible: not the caller's wish but its right.
        open: those that are open, or those that are closed.
        line: those that may be made on it.
    """

    visible: OrderScope | None = None
    open: bool | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page of work orders, in the order of their names.

    Attributes:
        orders: of the page.
        next_after: the name behind which the next page begins; None at the end.
    """

    orders: Sequence[WorkOrder]
    next_after: str | None


def unknown_order(name: str, field: str) -> Refused:
    """The refusal where there is no order of this name, or none that the caller may see; `name` has the right form."""
    return Refused(
        reasons.ERROR_REASON_WORK_ORDER_UNKNOWN,
        f"there is no work order {name}; ask the planner to open it",
        field=field,
    )
