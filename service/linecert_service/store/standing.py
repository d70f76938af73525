"""What stands in the store beside a burst of claims: the rows that decide on them, and those that the burst adds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from linecert_service.domain.records import CertificateRecord
from linecert_service.policy.patterns import RegistrationIdPatterns


@dataclass(frozen=True, slots=True)
class Stand:
    """A certificate that was issued, with what replaced it.

    Attributes:
        record: the row.
        replaced_by: serial of the device's next certificate; None for the newest.
        replaced_for: the reason of that replacement.
    """

    record: CertificateRecord
    replaced_by: bytes | None = None
    replaced_for: str | None = None

    def active(self, now: float) -> bool:
        """Whether it is the device's newest and has not expired at `now` (seconds since 1970)."""
        return self.replaced_by is None and self.record.not_after >= int(now)


@dataclass(frozen=True, slots=True)
class WorkOrderStand:
    """A work order as it stands, with the counts as of now.

    Attributes:
        expects: registration keys of the devices it names, of those that were asked for, with the SHA-256 of the only
            key that each may have.
        names_devices: whether it names any device at all.
    """

    name: str
    lines: tuple[str, ...]
    profile: str
    quantity: int
    issued: int
    replacement_limit: int
    replacements: int
    patterns: RegistrationIdPatterns
    open: bool
    names_devices: bool
    expects: dict[str, bytes | None]


class Standing:
    """The rows that may decide on the claims of one burst, by what they are looked up by."""

    def __init__(self, stands: Iterable[Stand] = (), orders: Iterable[WorkOrderStand] = ()) -> None:
        self._by_request: dict[tuple[str, str], Stand] = {}
        self._by_device: dict[str, dict[int, Stand]] = {}
        self._by_key: dict[bytes, dict[bytes, Stand]] = {}
        self._orders = {order.name: order for order in orders}
        for stand in stands:
            self._put(stand)

    def request(self, station: str, request_id: str) -> Stand | None:
        """What was issued for this request."""
        return self._by_request.get((station, request_id))

    def device(self, registration_key: str) -> dict[int, Stand]:
        """What was issued to this device, by generation; empty for a new one."""
        return self._by_device.get(registration_key, {})

    def key(self, spki_sha256: bytes) -> Iterable[Stand]:
        """What was issued for this key."""
        return self._by_key.get(spki_sha256, {}).values()

    def order(self, name: str) -> WorkOrderStand | None:
        """The work order of this name."""
        return self._orders.get(name)

    def add(self, record: CertificateRecord) -> None:
        """Take in what the burst itself issues, so that its later claims see it."""
        if record.generation > 1:
            before = self.device(record.registration_key)[record.generation - 1]
            self._put(replace(before, replaced_by=record.serial, replaced_for=record.replacement_reason))
        self._put(Stand(record))
        if record.work_order is not None and (order := self._orders.get(record.work_order)):
            first = record.generation == 1
            self._orders[order.name] = replace(
                order, issued=order.issued + first, replacements=order.replacements + (not first)
            )

    def _put(self, stand: Stand) -> None:
        record = stand.record
        self._by_request[record.station, record.request_id] = stand
        self._by_device.setdefault(record.registration_key, {})[record.generation] = stand
        self._by_key.setdefault(record.spki_sha256, {})[record.serial] = stand
