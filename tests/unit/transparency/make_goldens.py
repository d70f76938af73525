"""Writes goldens/*.json: for each case the arguments of a leaf, its bytes and its hash.

Run it only for a new leaf type: what the files hold is frozen, for leaves of these types are in logs. The leaves come
from the `rfc8785` package and from fields written out here by hand, not from the code that the goldens test.

    python tests/unit/transparency/make_goldens.py
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import rfc8785

GOLDENS = Path(__file__).parent / "goldens"


def octets(count: int, first: int) -> str:
    """Different octets for each field, in hex, as the arguments of a golden have them."""
    return bytes((first + offset) % 256 for offset in range(count)).hex()


SERIAL = octets(20, 0x40)
CERTIFICATE = {
    "serial": SERIAL,
    "registration_id": "Device-01",
    "generation": 1,
    "replacement_reason": None,
    "replaces": None,
    "station": "ict-07",
    "line": "line-3",
    "request_id": "0b9a6f6e-6c0c-4a55-9f4e-0d6f2c6a4f11",
    "request_sha256": octets(32, 1),
    "work_order": None,
    "lot": None,
    "profile": "device",
    "attributes": None,
    "issuer_sha256": octets(32, 2),
    "not_before": 1782864000,
    "not_after": 1940544299,
    "issued_at": 1782864300000000,
    "csr_sha256": octets(32, 3),
    "spki_sha256": octets(32, 4),
    "certificate_sha256": octets(32, 5),
}
CERTIFICATE_LEAF = {
    "type": "certificate/1",
    "serial_number": SERIAL,
    "registration_id": "Device-01",
    "generation": 1,
    "station": "ict-07",
    "line": "line-3",
    "request_id": "0b9a6f6e-6c0c-4a55-9f4e-0d6f2c6a4f11",
    "request_sha256": octets(32, 1),
    "profile": "device",
    "issuer_certificate_sha256": octets(32, 2),
    "not_before": "2026-07-01T00:00:00Z",
    "not_after": "2031-06-30T00:04:59Z",
    "issue_time": "2026-07-01T00:05:00.000000Z",
    "csr_sha256": octets(32, 3),
    "public_key_sha256": octets(32, 4),
    "certificate_sha256": octets(32, 5),
}
EVENT = {
    "kind": "service_started",
    "at": 1782864300000001,
    "serial": None,
    "registration_key": None,
    "station": None,
    "actor": None,
    "reason": None,
    "detail": None,
}
EVENT_LEAF = {"type": "event/1", "kind": "service_started", "time": "2026-07-01T00:05:00.000001Z"}

# name: arguments, fields of the leaf
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "certificate-minimal": (CERTIFICATE, CERTIFICATE_LEAF),
    "certificate-full": (
        {
            **CERTIFICATE,
            "generation": 2,
            "replacement_reason": "REWORK",
            "replaces": octets(20, 0x41),
            "work_order": 'PO "4711"/\u00e9',
            "lot": "L\\42",
            "attributes": '{"board":"A-\u00b5","mac":"00:11:22:33:44:55"}',
            "issued_at": 1782864300123456,
        },
        {
            **CERTIFICATE_LEAF,
            "generation": 2,
            "replacement_reason": "REWORK",
            "replaces_serial_number": octets(20, 0x41),
            "work_order": 'PO "4711"/\u00e9',
            "lot": "L\\42",
            "attributes": {"board": "A-\u00b5", "mac": "00:11:22:33:44:55"},
            "issue_time": "2026-07-01T00:05:00.123456Z",
        },
    ),
    "certificate-without-end": (
        {**CERTIFICATE, "not_after": 253402300799, "issued_at": 1782864300999999},
        {**CERTIFICATE_LEAF, "not_after": "9999-12-31T23:59:59Z", "issue_time": "2026-07-01T00:05:00.999999Z"},
    ),
    "certificate-attributes-in-another-order": (
        {**CERTIFICATE, "attributes": '{ "\ufb33": "2", "\U0001f600": "1", "a": "" }'},
        {**CERTIFICATE_LEAF, "attributes": {"a": "", "\U0001f600": "1", "\ufb33": "2"}},
    ),
    "certificate-empty-fields": (
        {**CERTIFICATE, "work_order": "", "lot": "", "attributes": "{}"},
        CERTIFICATE_LEAF,
    ),
    "event-minimal": (EVENT, EVENT_LEAF),
    "event-full": (
        {
            **EVENT,
            "kind": "rejected",
            "serial": SERIAL,
            "registration_key": "device-01",
            "station": "ict-07",
            "actor": "planner-01",
            "reason": "REGISTRATION_ID_TAKEN",
            "detail": '{"count":12,"profile":"device"}',
        },
        {
            **EVENT_LEAF,
            "kind": "rejected",
            "serial_number": SERIAL,
            "registration_key": "device-01",
            "station": "ict-07",
            "actor": "planner-01",
            "reason": "REGISTRATION_ID_TAKEN",
            "detail": {"count": 12, "profile": "device"},
        },
    ),
}


def main() -> None:
    """Write every golden."""
    GOLDENS.mkdir(exist_ok=True)
    for name, (arguments, fields) in CASES.items():
        leaf = rfc8785.dumps(fields)
        golden = {"arguments": arguments, "leaf": leaf.decode(), "hash": hashlib.sha256(b"\x00" + leaf).hexdigest()}
        text = json.dumps(golden, indent=2, ensure_ascii=False) + "\n"
        (GOLDENS / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
