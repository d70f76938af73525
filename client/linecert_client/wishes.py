"""What may be asked of a certificate, beside its key and name."""

from dataclasses import dataclass
from datetime import timedelta

from linecert_client.results import ReplacementReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What may be asked of a certificate, beside its key and name; see `DeviceRequest`."""

    profile: str | None
    work_order: str | None
    lot: str | None
    attributes: dict[str, str]
    validity: timedelta | None
    reason: ReplacementReason | None

    def journal_fields(self) -> dict[str, str]:
        """What makes two requests the same, as far as it is given (see `journal`)."""
        stated = {
            "profile": self.profile,
            "work_order": self.work_order,
            "lot": self.lot,
            "validity": f"{self.validity.total_seconds():g}" if self.validity else None,
            "replacement_reason": self.reason and self.reason.value,
        }
        return {name: value for name, value in stated.items() if value}
