"""Device certificates by the million: one that the service's own code issued, with other values in the same places.

All that a leaf is compared with is true: serial number, subject, validity, key, hashes. Signatures are not: each is
that of the certificate that the others were made from. Nothing that is measured here verifies them.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert_service.domain.requests import DeviceCsr
from linecert_service.issuance.certificate import Plan, make
from linecert_service.issuance.profile import Profile
from support.claims import claim
from support.doubles import NullMeter

_BEGIN: Final = 1_000_000_000
_END: Final = 1_500_000_000

# What stands before the point in the SubjectPublicKeyInfo of a P-256 key (RFC 5480, section 2).
_SPKI_HEAD: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


@dataclass(frozen=True, slots=True)
class Template:
    """A certificate, and where in its DER stands what differs from device to device."""

    der: bytes
    serial: int
    begin: int
    end: int
    name: int
    point: int
    key_identifier: int

    @classmethod
    def issue(cls, profile: Profile, name: str) -> Self:
        """Issue the one that the others are made from; `name` has the length of all their names."""
        point = new_point()
        csr = DeviceCsr(name, "P-256", _SPKI_HEAD + point, spki_sha256(point), bytes(32))
        made = make(Plan(claim(name, not_before=_BEGIN, not_after=_END), profile, csr), NullMeter())
        der = made.certificate
        return cls(
            der,
            serial=der.index(made.serial),
            begin=der.index(_utc_time(_BEGIN)),
            end=der.index(_utc_time(_END)),
            name=der.index(name.encode()),
            point=der.index(point),
            key_identifier=der.index(_key_identifier(point)),
        )

    def certificate(self, serial: bytes, name: str, not_before: int, not_after: int, point: bytes) -> bytes:
        """DER with these values."""
        made = bytearray(self.der)
        for at, value in (
            (self.serial, serial),
            (self.begin, _utc_time(not_before)),
            (self.end, _utc_time(not_after)),
            (self.name, name.encode()),
            (self.point, point),
            (self.key_identifier, _key_identifier(point)),
        ):
            made[at : at + len(value)] = value
        return bytes(made)


def new_point() -> bytes:
    """A new P-256 public key, as an uncompressed point."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def spki_sha256(point: bytes) -> bytes:
    """The SHA-256 of the SubjectPublicKeyInfo of this key."""
    return hashlib.sha256(_SPKI_HEAD + point).digest()


def _key_identifier(point: bytes) -> bytes:
    # RFC 5280, section 4.2.1.2, method 1.
    return hashlib.sha1(point, usedforsecurity=False).digest()


@lru_cache(maxsize=1024)
def _utc_time(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%y%m%d%H%M%SZ").encode()
