"""What became of a device of a batch."""

from dataclasses import dataclass
from typing import TypeAlias

from linecert_client.batch.devices import Device
from linecert_client.device_files import DeviceFiles
from linecert_client.errors import LinecertError
from linecert_client.results import IssuedDevice


@dataclass(frozen=True, slots=True)
class Issued:
    """Its chain is written; the answer may be that of an earlier call."""

    device: Device
    files: DeviceFiles
    answer: IssuedDevice


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """Its chain was there before; the service was not asked."""

    device: Device
    files: DeviceFiles
    registration_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It was refused, or its files could not be read or written.

    Attributes:
        reached: whether the device itself had its turn; without it the batch ended before.
    """

    device: Device
    registration_id: str | None
    error: LinecertError
    reached: bool = True


Result: TypeAlias = Issued | AlreadyThere | Failed
