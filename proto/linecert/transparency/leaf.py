"""The leaves of the log: what it commits to about a certificate or an event, and how that is written.

A leaf is one RFC 8785 JSON object. Its `type` names a list of fields that is frozen: one field more or less, or another
form of one, is another type. Fields that are not set are left out. A leaf's place in the log is not part of it.

The arguments are the columns of the store: hashes and serial numbers as octets, times in seconds since 1970 (UTC),
those of issuing and of events in microseconds.
"""

import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from linecert.transparency.canonical import Json, canonical_json, quote

LEAF_VERSION: Final = 1
"""The version that a store keeps beside a leaf of one of these types."""
CERTIFICATE_TYPE: Final = "certificate/1"
EVENT_TYPE: Final = "event/1"

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - without a zone isoformat writes no offset; `Z` is put behind it
_MICROSECONDS: Final = 1_000_000


def certificate_leaf(
    *,
    serial: bytes,
    registration_id: str,
    generation: int,
    replacement_reason: str | None,
    replaces: bytes | None,
    station: str,
    line: str,
    request_id: str,
    request_sha256: bytes,
    work_order: str | None,
    lot: str | None,
    profile: str,
    attributes: str | None,
    issuer_sha256: bytes,
    not_before: int,
    not_after: int,
    issued_at: int,
    csr_sha256: bytes,
    spki_sha256: bytes,
    certificate_sha256: bytes,
) -> bytes:
    """The leaf `certificate/1`.

    Args:
        serial: the certificate's serial number, 20 octets.
        registration_id: its subject common name, in the case that was asked for.
        generation: 1 for a device's first certificate, one more for each replacement.
        replacement_reason: name without prefix, such as `REWORK`.
        replaces: serial number of the generation before.
        station: the station that asked.
        line: its line.
        request_id: its idempotency key.
        request_sha256: hash of what it asked for.
        work_order: the order that the device was made for.
        lot: the lot within it.
        profile: the profile's name.
        attributes: a JSON object of strings, as text; in the leaf it is an object.
        issuer_sha256: SHA-256 of the issuer's certificate.
        not_before: in seconds.
        not_after: in seconds.
        issued_at: in microseconds.
        csr_sha256: SHA-256 of the CSR.
        spki_sha256: SHA-256 of the SubjectPublicKeyInfo.
        certificate_sha256: SHA-256 of the certificate.

    Raises:
        ValueError: a text is not Unicode, or `attributes` is no JSON.
    """
    # In the order of RFC 8785, and written out: a dict to filter and encode takes several times as long, and this runs
    # for every certificate under the store's lock. Each member brings the comma before it; the first one is cut off.
    members = (
        f"{_member('attributes', _embedded(attributes))}"
        f',"certificate_sha256":"{certificate_sha256.hex()}"'
        f',"csr_sha256":"{csr_sha256.hex()}"'
        f',"generation":{generation}'
        f',"issue_time":"{_microseconds(issued_at)}"'
        f',"issuer_certificate_sha256":"{issuer_sha256.hex()}"'
        f',"line":{quote(line)}'
        f"{_member('lot', lot and quote(lot))}"
        f',"not_after":"{_seconds(not_after)}Z"'
        f',"not_before":"{_seconds(not_before)}Z"'
        f',"profile":{quote(profile)}'
        f',"public_key_sha256":"{spki_sha256.hex()}"'
        f',"registration_id":{quote(registration_id)}'
        f"{_member('replacement_reason', replacement_reason and quote(replacement_reason))}"
        f"{_member('replaces_serial_number', quote(replaces.hex()) if replaces else None)}"
        f',"request_id":{quote(request_id)}'
        f',"request_sha256":"{request_sha256.hex()}"'
        f',"serial_number":"{serial.hex()}"'
        f',"station":{quote(station)}'
        f',"type":"{CERTIFICATE_TYPE}"'
        f"{_member('work_order', work_order and quote(work_order))}"
    )
    return f"{{{members[1:]}}}".encode()


def event_leaf(
    *,
    kind: str,
    at: int,
    serial: bytes | None,
    registration_key: str | None,
    station: str | None,
    actor: str | None,
    reason: str | None,
    detail: str | None,
) -> bytes:
    """The leaf `event/1`.

    Args:
        kind: what happened, such as `discarded`.
        at: when, in microseconds.
        serial: serial number of the certificate that it is about.
        registration_key: the device that it is about, in the form under which IDs are compared.
        station: the station that it is about.
        actor: who did it.
        reason: a reason of the contract, by name.
        detail: a JSON object, as text; in the leaf it is an object.

    Raises:
        ValueError: a text is not Unicode, or `detail` is no JSON of the kind that `canonical_json` writes.
    """
    fields: dict[str, Json] = {
        "type": EVENT_TYPE,
        "kind": kind,
        "time": _microseconds(at),
        "serial_number": serial and serial.hex(),
        "registration_key": registration_key,
        "station": station,
        "actor": actor,
        "reason": reason,
        "detail": detail and json.loads(detail),
    }
    return canonical_json({name: value for name, value in fields.items() if value})


def _member(name: str, value: str | None) -> str:
    """A member whose value is encoded already; nothing for one that is not set."""
    return f',"{name}":{value}' if value else ""


def _embedded(text: str | None) -> str | None:
    """JSON text in canonical form, whatever form a database gave it; None for an empty object."""
    value = json.loads(text) if text else None
    return canonical_json(value).decode() if value else None


def _microseconds(value: int) -> str:
    return f"{_seconds(value // _MICROSECONDS)}.{value % _MICROSECONDS:06d}Z"


@lru_cache(maxsize=1024)
def _seconds(value: int) -> str:
    # Certificates that are issued in the same second share all three of their times.
    return (_EPOCH + timedelta(seconds=value)).isoformat(timespec="seconds")
