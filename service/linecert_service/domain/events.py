"""What happened beside issuing, before it has a place in the log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be appended.

    Attributes:
        kind: such as `discarded`, `issuer_added`, `service_started`.
        serial: of the certificate that it is about.
        registration_key: of the device that it is about.
        station: who caused it, where that is a station.
        actor: who caused it otherwise.
        reason: why, such as the name of a contract reason.
        detail: RFC 8785 JSON object of strings, at most 1,024 characters.
    """

    kind: str
    serial: bytes | None = None
    registration_key: str | None = None
    station: str | None = None
    actor: str | None = None
    reason: str | None = None
    detail: str | None = None
