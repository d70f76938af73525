"""What makes two requests the same: a retry may differ in nothing of this."""

import hashlib

from linecert.transparency import canonical_json
from linecert_service.domain.requests import DeviceCsr, SignRequest


def request_hash(request: SignRequest, csr: DeviceCsr) -> bytes:
    """SHA-256 of RFC 8785 JSON of what was asked for, as sent: unset fields left out, defaults not filled in.

    A default that changes between two attempts must not turn a retry into another request.
    """
    asked = {
        "registration_id": csr.registration_id,
        "public_key_sha256": csr.spki_sha256.hex(),
        "profile": request.profile,
        "work_order": request.work_order,
        "lot": request.lot,
        "validity": None if request.validity is None else str(request.validity),
        "replacement_reason": request.replacement_reason,
    }
    return hashlib.sha256(canonical_json({name: value for name, value in asked.items() if value is not None})).digest()
