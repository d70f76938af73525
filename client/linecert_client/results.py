"""What the service answers, in Python's own types. Times are aware, in UTC."""

import enum
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Self, cast

from google.protobuf.timestamp_pb2 import Timestamp

from linecert.v1 import audit_pb2, issuance_pb2, signing_pb2

_ENUMS: Final = MappingProxyType(
    {
        "state": issuance_pb2.IssuedCertificate.State.DESCRIPTOR,
        "replacement_reason": issuance_pb2.ReplacementReason.DESCRIPTOR,
    }
)


class ReplacementReason(enum.StrEnum):
    """Why a device gets another certificate."""

    REWORK = "rework"
    LOST = "lost"
    KEY_COMPROMISE = "key-compromise"
    EXPIRING = "expiring"

    def to_proto(self) -> issuance_pb2.ReplacementReason:
        """The contract's value."""
        return cast(
            "issuance_pb2.ReplacementReason", issuance_pb2.ReplacementReason.Value(f"REPLACEMENT_REASON_{self.name}")
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates above a device's, DER.

    Attributes:
        issuer_certificate_sha256: lower-case hex, of the first of `intermediates`.
        intermediates: from the issuer up to the last before the root.
        root: the root.
    """

    issuer_certificate_sha256: str
    intermediates: tuple[bytes, ...]
    root: bytes

    @classmethod
    def from_proto(cls, chain: issuance_pb2.IssuerChain) -> Self:
        """Read the contract's message."""
        return cls(chain.issuer_certificate_sha256, tuple(chain.intermediates), chain.root)

    def pem(self) -> str:
        """Intermediates, then the root, PEM."""
        return "".join(ssl.DER_cert_to_PEM_cert(der) for der in (*self.intermediates, self.root))


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """One record of the audit store; see `IssuedCertificate` in issuance.proto.

    Attributes:
        certificate: DER; empty for an answer to validate_only.
        state: `active`, `replaced` or `expired`.
        replacement_reason: such as `rework`; empty for a device's first certificate.
        log_index: position in the transparency log; None for an answer to validate_only.
    """

    serial_number: str
    registration_id: str
    generation: int
    station: str
    line: str
    request_id: str
    work_order: str
    lot: str
    profile: str
    attributes: Mapping[str, str]
    issuer_certificate_sha256: str
    not_before: datetime | None
    not_after: datetime | None
    issue_time: datetime | None
    certificate: bytes
    certificate_sha256: str
    public_key_sha256: str
    csr_sha256: str
    state: str
    replaces_serial_number: str
    replaced_by_serial_number: str
    replacement_reason: str
    log_index: int | None

    @classmethod
    def from_proto(cls, issued: issuance_pb2.IssuedCertificate) -> "IssuedCertificate":
        """Read the contract's message."""
        return IssuedCertificate(**_fields(issued))

    def certificate_pem(self) -> str:
        """The device's certificate alone, PEM.

        Raises:
            ValueError: there is none, since the request was validate_only.
        """
        if not self.certificate:
            raise ValueError("a validate_only request is answered without a certificate")
        return ssl.DER_cert_to_PEM_cert(self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedDevice(IssuedCertificate):
    """A device's certificate with the chain that it presents.

    Attributes:
        chain: the certificates above it.
        replayed: True when this is the answer to an earlier request, given again.
    """

    chain: Chain
    replayed: bool

    @classmethod
    def from_answer(
        cls, issued: issuance_pb2.IssuedCertificate, chain: issuance_pb2.IssuerChain, *, replayed: bool = False
    ) -> Self:
        """Read an answer of SignDevice or GetIssuedCertificate."""
        return cls(**_fields(issued), chain=Chain.from_proto(chain), replayed=replayed)

    def full_chain_pem(self) -> str:
        """Leaf, intermediates, root as PEM, in the order in which Azure DPS wants them presented.

        Raises:
            ValueError: there is no certificate, since the request was validate_only.
        """
        return self.certificate_pem() + self.chain.pem()


@dataclass(frozen=True, slots=True)
class Profile:
    """What a caller may ask for.

    Attributes:
        validity, max_validity: None where the profile sets none.
        key_types: of P-256, P-384, RSA-2048, RSA-3072, RSA-4096.
    """

    name: str
    issuer_certificate_sha256: str
    validity: timedelta | None
    max_validity: timedelta | None
    key_types: tuple[str, ...]

    @classmethod
    def from_proto(cls, profile: signing_pb2.GetIssuersResponse.Profile) -> Self:
        """Read the contract's message."""
        return cls(
            profile.name,
            profile.issuer_certificate_sha256,
            profile.validity.ToTimedelta() if profile.HasField("validity") else None,
            profile.max_validity.ToTimedelta() if profile.HasField("max_validity") else None,
            tuple(profile.key_types),
        )


@dataclass(frozen=True, slots=True)
class Issuers:
    """The chains that device certificates end in, the profiles, and who the service takes the caller for."""

    station: str
    line: str
    chains: tuple[Chain, ...]
    profiles: tuple[Profile, ...]

    @classmethod
    def from_proto(cls, answer: signing_pb2.GetIssuersResponse) -> Self:
        """Read the contract's message."""
        return cls(
            answer.station,
            answer.line,
            tuple(Chain.from_proto(chain) for chain in answer.chains),
            tuple(Profile.from_proto(profile) for profile in answer.profiles),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first. It may be empty and still not be the last."""

    issued: tuple[IssuedCertificate, ...]

    @classmethod
    def from_proto(cls, answer: audit_pb2.ListIssuedCertificatesResponse) -> Self:
        """Read the contract's message."""
        return cls(tuple(IssuedCertificate.from_proto(issued) for issued in answer.issued))


def _fields(issued: issuance_pb2.IssuedCertificate) -> dict[str, Any]:
    """The record's fields, converted. Only those that Python names and types otherwise are listed."""
    values = {descriptor.name: getattr(issued, descriptor.name) for descriptor in issued.DESCRIPTOR.fields}
    return values | {
        "attributes": MappingProxyType(dict(issued.attributes)),
        "not_before": _time(issued, "not_before"),
        "not_after": _time(issued, "not_after"),
        "issue_time": _time(issued, "issue_time"),
        "state": _enum_name(issued, "state"),
        "replacement_reason": _enum_name(issued, "replacement_reason"),
        "log_index": issued.log_index if issued.certificate else None,
    }


def _time(issued: issuance_pb2.IssuedCertificate, name: str) -> datetime | None:
    value: Timestamp = getattr(issued, name)
    return value.ToDatetime(tzinfo=UTC) if issued.HasField(name) else None


def _enum_name(issued: issuance_pb2.IssuedCertificate, name: str) -> str:
    """`REPLACEMENT_REASON_KEY_COMPROMISE` as `key-compromise`; a number that this version does not know as digits."""
    number = getattr(issued, name)
    if not number:
        return ""
    value = _ENUMS[name].values_by_number.get(number)
    return value.name.removeprefix(f"{name.upper()}_").lower().replace("_", "-") if value else str(number)
