"""A device of a batch, as its manifest states it."""

from dataclasses import dataclass
from pathlib import Path

from linecert_client import durations
from linecert_client.csv_files import Cells
from linecert_client.results import ReplacementReason
from linecert_client.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A line of a manifest, or a CSR of a folder.

    Attributes:
        file: where it is stated: the manifest, or the CSR itself.
        line: of the manifest; None for a CSR of a folder.
        registration_id: as stated; None where the CSR alone says it.
        csr: where its CSR is; None for a device whose key the station makes.
        request_id: that the manifest insists on.
        wishes: what is asked for.
    """

    file: Path
    line: int | None
    registration_id: str | None
    csr: Path | None
    request_id: str | None
    wishes: Wishes

    @property
    def where(self) -> str:
        """File and line, for a message."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)

    def cells(self) -> Cells:
        """What a manifest's line says of it, the options of the command included."""
        wishes = self.wishes
        stated = {
            "registration_id": self.registration_id,
            "csr": self.csr and str(self.csr.resolve()),
            "request_id": self.request_id,
            "profile": wishes.profile,
            "work_order": wishes.work_order,
            "lot": wishes.lot,
            "validity": wishes.validity and durations.text(wishes.validity),
            "replacement_reason": wishes.reason and wishes.reason.value,
        }
        attributes = {f"attr.{key}": value for key, value in wishes.attributes.items()}
        return {name: value for name, value in stated.items() if value} | attributes


def replacement_reason(text: str) -> ReplacementReason:
    """Read a reason, written as `--reason` has it.

    Raises:
        ValueError: there is no such reason.
    """
    try:
        return ReplacementReason(text.lower().replace("_", "-"))
    except ValueError:
        raise ValueError(f"replacement_reason must be one of {', '.join(ReplacementReason)}") from None
