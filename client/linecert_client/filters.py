"""Which of the issued certificates are meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from linecert.v1.audit_pb2 import IssuanceFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list, an export or a summary is narrowed to; everything that is set has to hold.

    Attributes:
        registration_id: as a whole, compared without case.
        registration_id_prefix: its beginning, compared without case.
        station: that asked.
        line: of that station.
        work_order: of the request.
        lot: of the request.
        profile: by which it was issued.
        public_key_sha256: hex, of the SubjectPublicKeyInfo.
        attributes: each must be there with this value.
        state: `active`, `replaced` or `expired`.
        since: issued at or after this time; aware.
        until: issued before this time; aware.
        after_log_index: only what came later in the log.
    """

    registration_id: str | None = None
    registration_id_prefix: str | None = None
    station: str | None = None
    line: str | None = None
    work_order: str | None = None
    lot: str | None = None
    profile: str | None = None
    public_key_sha256: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after_log_index: int | None = None

    def to_proto(self) -> IssuanceFilter:
        """The contract's message.

        Raises:
            ValueError: `state` is none of the contract's.
        """
        return IssuanceFilter(
            registration_id=self.registration_id or "",
            registration_id_prefix=self.registration_id_prefix or "",
            station=self.station or "",
            line=self.line or "",
            work_order=self.work_order or "",
            lot=self.lot or "",
            profile=self.profile or "",
            public_key_sha256=self.public_key_sha256 or "",
            attributes=dict(self.attributes),
            state=f"STATE_{self.state.upper()}" if self.state else None,
            start_time=self.since,
            end_time=self.until,
            after_log_index=self.after_log_index,
        )


EVERYTHING = Filter()
"""The filter that lets everything pass."""
