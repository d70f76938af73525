"""What makes two requests the same."""

import hashlib
from typing import Any

import pytest

from linecert_service.domain.requests import DeviceCsr
from linecert_service.issuance.request_hash import request_hash
from support.issuing import request

CSR = DeviceCsr("Device-01", "P-256", b"", bytes(32), b"c" * 32)


def test_hash_is_over_what_was_asked() -> None:
    """RFC 8785 JSON with every field that was set: the form is frozen, since the hash stands in the log."""
    full = request(profile="device", work_order="WO-17", lot="L\u00f61", validity=60, replacement_reason="LOST")
    text = (
        '{"lot":"L\u00f61","profile":"device","public_key_sha256":"' + "0" * 64 + '","registration_id":"Device-01",'
        '"replacement_reason":"LOST","validity":"60","work_order":"WO-17"}'
    )
    assert request_hash(full, CSR) == hashlib.sha256(text.encode()).digest()


def test_unset_fields_are_left_out() -> None:
    """A default that is filled in later must not turn a retry into another request."""
    text = '{"public_key_sha256":"' + "0" * 64 + '","registration_id":"Device-01"}'
    assert request_hash(request(), CSR) == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "device"},
        {"work_order": "WO-18"},
        {"lot": "L2"},
        {"validity": 61},
        {"replacement_reason": "LOST"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_wish_counts(change: dict[str, Any]) -> None:
    """Another wish is another request."""
    assert request_hash(request(**change), CSR) != request_hash(request(), CSR)


@pytest.mark.parametrize(
    "change",
    [{"attributes": {"board": "B7"}}, {"registration_id": "Device-01"}],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_shape_the_certificate_does_not_count(change: dict[str, Any]) -> None:
    """What a station traces, and what it believes, may differ between two attempts."""
    assert request_hash(request(**change), CSR) == request_hash(request(), CSR)
