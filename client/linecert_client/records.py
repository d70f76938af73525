"""A record of the audit store as JSON: what `list --json` prints and an export holds."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from linecert_client.results import IssuedCertificate, IssuedDevice

FIELDS: Final = tuple(field.name for field in dataclasses.fields(IssuedCertificate) if field.name != "certificate")
"""The names of a record's fields, without the certificate itself."""


def issued_json(issued: IssuedCertificate) -> dict[str, Any]:
    """A record for scripts: the certificate as PEM, or the full chain where it is known."""
    record = {name: json_value(getattr(issued, name)) for name in FIELDS}
    if not issued.certificate:
        return record
    if isinstance(issued, IssuedDevice):
        return record | {"chain_pem": issued.full_chain_pem()}
    return record | {"certificate_pem": issued.certificate_pem()}


def json_value(value: Any) -> Any:
    """A field's value as JSON has it: times in RFC 3339, spans in seconds."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return int(value.total_seconds())
        case Mapping():
            return dict(value)
        case _:
            return value
