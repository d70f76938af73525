"""Work orders as the service answers them, and the devices that one may list. Times are aware, in UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Self

from linecert import registration_id as registration_ids
from linecert.v1 import work_order_pb2

State = Literal["open", "closed"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_STATE_PREFIX: Final = "STATE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """How many devices may get a certificate, and which; see `WorkOrder` in work_order.proto.

    Attributes:
        name: as the MES calls it.
        lines: that may make its devices; empty: any.
        profile: by which they are issued.
        quantity: how many devices may hold a certificate of this order.
        issued: how many do.
        replacement_limit: how many of their certificates may be replaced.
        replacements: how many were.
        registration_id_patterns: any of which an ID has to match; empty: any ID.
        expected_devices: how many devices are listed one by one; 0: none, and then any.
        state: `open` or `closed`.
        open_time: when it was opened.
        close_time: when it was closed; None while it is open.
        etag: changes with every change of the order but the counts.
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
    state: str
    open_time: datetime | None
    close_time: datetime | None
    etag: str

    @classmethod
    def from_proto(cls, order: work_order_pb2.WorkOrder) -> Self:
        """Read the contract's message."""
        return cls(
            name=order.name,
            lines=tuple(order.lines),
            profile=order.profile,
            quantity=order.quantity,
            issued=order.issued,
            replacement_limit=order.replacement_limit,
            replacements=order.replacements,
            registration_id_patterns=tuple(order.registration_id_patterns),
            expected_devices=order.expected_devices,
            state=_state_name(order.state),
            open_time=order.open_time.ToDatetime(tzinfo=UTC) if order.HasField("open_time") else None,
            close_time=order.close_time.ToDatetime(tzinfo=UTC) if order.HasField("close_time") else None,
            etag=order.etag,
        )


@dataclass(frozen=True, slots=True)
class ExpectedDevice:
    """A device that a work order lists.

    Attributes:
        registration_id: by the grammar of Azure DPS.
        public_key_sha256: the only key that it may have, as 64 lower-case hex digits: SHA-256 of its
            SubjectPublicKeyInfo. Empty: any key.

    Raises:
        ValueError: `registration_id` (RegistrationIdError) or `public_key_sha256` is none.
    """

    registration_id: str
    public_key_sha256: str = ""

    def __post_init__(self) -> None:
        registration_ids.check(self.registration_id)
        if self.public_key_sha256 and not _SHA256.fullmatch(self.public_key_sha256):
            raise ValueError("a public-key hash is SHA-256 as 64 lower-case hex digits")

    @classmethod
    def from_proto(cls, device: work_order_pb2.ImportExpectedDevicesRequest.Device) -> Self:
        """Read the contract's message."""
        return cls(device.registration_id, device.public_key_sha256)

    def to_proto(self) -> work_order_pb2.ImportExpectedDevicesRequest.Device:
        """The contract's message."""
        return work_order_pb2.ImportExpectedDevicesRequest.Device(
            registration_id=self.registration_id, public_key_sha256=self.public_key_sha256
        )


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of an import.

    Attributes:
        work_order: as it stands after it.
        imported: devices that are new on the order's list.
        already_there: devices that were on it; also those of a portion that was sent twice because its answer was lost.
    """

    work_order: WorkOrder
    imported: int
    already_there: int


def _state_name(number: int) -> str:
    value = work_order_pb2.WorkOrder.State.DESCRIPTOR.values_by_number.get(number)
    return value.name.removeprefix(_STATE_PREFIX).lower() if value else str(number)
