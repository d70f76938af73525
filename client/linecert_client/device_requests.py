"""What is asked for a device, and what of it is found wrong before it is sent."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from linecert.v1.signing_pb2 import SignDeviceRequest
from linecert_client import errors
from linecert_client.errors import Refused
from linecert_client.results import ReplacementReason

MAX_CSR_SIZE: Final = 16 * 1024
"""In bytes, as the service has it."""

NO_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """One certificate that is asked for. Sent again, it is the same request and gets the same certificate.

    Attributes:
        csr: PKCS#10 (RFC 2986), PEM or DER; its common name is the registration ID.
        request_id: a UUID in lower case; one is made where none is given. Keep it where a crash may come between.
        registration_id: when given, it must be the CSR's.
        profile: without it, the station's default.
        work_order: the order that the device is made for.
        lot: the lot within it.
        attributes: what is to be traced with the certificate: at most 16, keys of `[a-z0-9_]{1,32}`.
        validity: without it, the profile's.
        replacement_reason: needed when the device already has a certificate.
    """

    csr: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    registration_id: str | None = None
    profile: str | None = None
    work_order: str | None = None
    lot: str | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: NO_ATTRIBUTES)
    validity: timedelta | None = None
    replacement_reason: ReplacementReason | None = None

    def to_proto(self, *, validate_only: bool = False) -> SignDeviceRequest:
        """The contract's message.

        Args:
            validate_only: run every check and issue nothing.

        Raises:
            Refused: what the service would refuse too, where there is something to win by not asking it.
        """
        _check_csr(self.csr)
        return SignDeviceRequest(
            request_id=self.request_id,
            csr=self.csr,
            registration_id=self.registration_id or "",
            profile=self.profile or "",
            work_order=self.work_order or "",
            lot=self.lot or "",
            attributes=dict(self.attributes),
            validity=self.validity,
            replacement_reason=self.replacement_reason.to_proto() if self.replacement_reason else None,
            validate_only=validate_only,
        )


def holds_private_key(data: bytes) -> bool:
    """Whether a private key stands in what should be a CSR alone."""
    return b"PRIVATE KEY" in data.upper()


def _check_csr(csr: bytes) -> None:
    if not csr:
        raise _csr_refused("the CSR is empty", "CSR_MALFORMED", errors.FIX_DEVICE)
    if len(csr) > MAX_CSR_SIZE:
        problem = f"the CSR has more than {MAX_CSR_SIZE} bytes, which is the most that is read: send the CSR alone"
        raise _csr_refused(problem, "CSR_TOO_LARGE", errors.FIX_DEVICE)
    # When the service refuses it, the key has already left the station.
    if holds_private_key(csr):
        problem = "the CSR holds a private key: it was not sent; send the CSR alone"
        raise _csr_refused(problem, "CSR_NOT_ALONE", errors.FIX_STATION)


def _csr_refused(problem: str, reason: str, action: str) -> Refused:
    return Refused(problem, status="INVALID_ARGUMENT", reason=reason, action=action, field="csr")
