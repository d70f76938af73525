"""Claims, signed certificates and records for tests of the store: good by default, with one thing changed per case."""

import hashlib
import itertools
from dataclasses import replace
from typing import Any, Final

from linecert_service.domain.records import CertificateRecord
from linecert_service.domain.requests import Claim, SignedCertificate
from linecert_service.domain.work_orders import WorkOrder
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.store.standing import WorkOrderStand

NOW: Final = 1_800_000_000
"""The time in tests, in seconds since 1970."""

ISSUER_SHA256: Final = hashlib.sha256(b"issuer").digest()

_numbers = itertools.count(1)


def request_id(number: int) -> str:
    """A UUID in canonical form."""
    return f"00000000-0000-4000-8000-{number:012x}"


def sha256(text: str) -> bytes:
    """A hash that stands for `text`."""
    return hashlib.sha256(text.encode()).digest()


def claim(registration_id: str = "device-01", **changes: Any) -> Claim:
    """A claim of station-01 on line-01 for a device with a key of its own."""
    number = next(_numbers)
    default = Claim(
        station="station-01",
        line="line-01",
        request_id=request_id(number),
        request_sha256=sha256(f"request for {registration_id}"),
        registration_id=registration_id,
        registration_key=registration_id.lower(),
        spki_sha256=sha256(f"key of {registration_id}"),
        csr_sha256=sha256(f"CSR of {registration_id}"),
        profile="device",
        work_order=None,
        lot=None,
        attributes=None,
        replacement_reason=None,
        issuer_sha256=ISSUER_SHA256,
        not_before=NOW - 300,
        not_after=NOW + 1_000_000,
    )
    return replace(default, **changes)


def signed(asked: Claim | None = None, **changes: Any) -> SignedCertificate:
    """A certificate for `asked`, with a serial number of its own; its octets are none of X.509."""
    asked = asked or claim(**changes)
    serial = (1 << 158 | next(_numbers)).to_bytes(20, "big")
    certificate = b"certificate " + serial
    return SignedCertificate(asked, serial, certificate, hashlib.sha256(certificate).digest())


def record(asked: Claim | None = None, **changes: Any) -> CertificateRecord:
    """What stands after `asked` was issued as a device's first certificate."""
    asked = asked or claim()
    certificate = signed(asked)
    default = CertificateRecord(
        log_index=next(_numbers),
        leaf_version=1,
        serial=certificate.serial,
        registration_id=asked.registration_id,
        registration_key=asked.registration_key,
        generation=1,
        replacement_reason=asked.replacement_reason,
        replaces=None,
        station=asked.station,
        line=asked.line,
        request_id=asked.request_id,
        request_sha256=asked.request_sha256,
        work_order=asked.work_order,
        lot=asked.lot,
        profile=asked.profile,
        attributes=asked.attributes,
        issuer_sha256=asked.issuer_sha256,
        not_before=asked.not_before,
        not_after=asked.not_after,
        issued_at=NOW * 1_000_000,
        csr_sha256=asked.csr_sha256,
        spki_sha256=asked.spki_sha256,
        certificate_sha256=certificate.certificate_sha256,
        certificate=certificate.certificate,
    )
    return replace(default, **changes)


def order(name: str = "WO-17", **changes: Any) -> WorkOrderStand:
    """An open work order for ten devices of profile `device`, on any line, with any registration ID."""
    default = WorkOrderStand(
        name=name,
        lines=(),
        profile="device",
        quantity=10,
        issued=0,
        replacement_limit=0,
        replacements=0,
        patterns=RegistrationIdPatterns(),
        open=True,
        names_devices=False,
        expects={},
    )
    return replace(default, **changes)


def work_order(name: str = "WO-17", **changes: Any) -> WorkOrder:
    """The same as planners see it, with nothing issued."""
    default: dict[str, Any] = {
        "name": name,
        "lines": (),
        "profile": "device",
        "quantity": 10,
        "issued": 0,
        "replacement_limit": 0,
        "replacements": 0,
        "registration_id_patterns": (),
        "expected_devices": 0,
        "open": True,
        "open_time": NOW * 1_000_000,
        "close_time": None,
        "revision": 1,
    }
    return WorkOrder(**(default | changes))
