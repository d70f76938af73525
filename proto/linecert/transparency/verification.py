"""Reading leaves back: their form, and whether what they say is what the certificate says."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from linecert.transparency.canonical import CanonicalJsonError, parse_canonical_json
from linecert.transparency.leaf import CERTIFICATE_TYPE, EVENT_TYPE

_Form = Callable[[object], bool]


class LeafError(ValueError):
    """A leaf does not have the form of its type, or does not belong to the certificate."""


@dataclass(frozen=True, slots=True)
class _LeafType:
    """The fields of a leaf type, by name, each with a test of its form."""

    required: Mapping[str, _Form]
    optional: Mapping[str, _Form]


def parse_leaf(data: bytes) -> dict[str, Any]:
    """The fields of a leaf, whose bytes are the only ones that its log entry can have had.

    Raises:
        LeafError: it is not canonical, of a type that this version does not know, or not of the form of its type.
    """
    try:
        leaf = parse_canonical_json(data)
    except CanonicalJsonError as error:
        raise LeafError(f"the leaf is {error}") from error
    kind = leaf.get("type") if isinstance(leaf, dict) else None
    form = _TYPES.get(kind) if isinstance(kind, str) else None
    if form is None:
        raise LeafError(f"the leaf is of none of the types {', '.join(_TYPES)}: a newer linecert may know it")
    _check_fields(leaf, f"{kind}", form)
    return dict(leaf)


def check_leaf_against_certificate(
    leaf: Mapping[str, Any], certificate: bytes, issuer: bytes | None = None
) -> x509.Certificate:
    """Check that every fact that leaf and certificate both state is the same, and return the certificate.

    Args:
        leaf: what `parse_leaf` returned.
        certificate: DER.
        issuer: DER of the issuer's certificate; when it is given, it has to be the one that the leaf names, and has to
            have signed the certificate.

    Raises:
        LeafError: they differ, or one of the certificates cannot be read.
    """
    if leaf.get("type") != CERTIFICATE_TYPE:
        raise LeafError(f"only a leaf of type {CERTIFICATE_TYPE} is about a certificate")
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        stated = _facts(certificate, parsed)
        if issuer is not None:
            stated["issuer_certificate_sha256"] = _sha256(issuer)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise LeafError("the certificate cannot be read") from error
    for name, value in stated.items():
        if leaf.get(name) != value:
            raise LeafError(f"the leaf's {name} is not that of the certificate")
    if issuer is not None:
        _check_issuer(parsed, issuer)
    return parsed


def _facts(certificate: bytes, parsed: x509.Certificate) -> dict[str, str | None]:
    names = [attribute.value for attribute in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    public_key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "certificate_sha256": _sha256(certificate),
        "serial_number": f"{parsed.serial_number:040x}",
        "registration_id": str(names[0]) if len(names) == 1 else None,
        "public_key_sha256": _sha256(public_key),
        "not_before": _time(parsed.not_valid_before_utc),
        "not_after": _time(parsed.not_valid_after_utc),
    }


def _check_issuer(parsed: x509.Certificate, issuer: bytes) -> None:
    try:
        parsed.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature) as error:
        raise LeafError("the certificate is not signed by the issuer that the leaf names") from error


def _check_fields(leaf: Mapping[str, Any], kind: str, form: _LeafType) -> None:
    missing = [name for name in form.required if name not in leaf]
    if missing:
        raise LeafError(f"a leaf of type {kind} without {', '.join(missing)}")
    fields = {**form.required, **form.optional}
    if not leaf.keys() <= fields.keys():
        raise LeafError(f"a leaf of type {kind} with a field that the type does not have")
    wrong = [name for name, value in leaf.items() if not fields[name](value)]
    if wrong:
        raise LeafError(f"a leaf of type {kind} whose {', '.join(wrong)} has not the form that the type gives it")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _time(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _matches(pattern: str) -> _Form:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_generation(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0


def _is_object_of_strings(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(isinstance(item, str) for item in value.values())


_is_sha256: Final = _matches("[0-9a-f]{64}")
_is_serial_number: Final = _matches("[0-9a-f]{40}")
_SECONDS: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_is_second: Final = _matches(f"{_SECONDS}Z")
_is_microsecond: Final = _matches(rf"{_SECONDS}\.[0-9]{{6}}Z")

_TYPES: Final[Mapping[str, _LeafType]] = MappingProxyType(
    {
        CERTIFICATE_TYPE: _LeafType(
            required={
                "type": _is_text,
                "serial_number": _is_serial_number,
                "registration_id": _is_text,
                "generation": _is_generation,
                "station": _is_text,
                "line": _is_text,
                "request_id": _is_text,
                "request_sha256": _is_sha256,
                "profile": _is_text,
                "issuer_certificate_sha256": _is_sha256,
                "not_before": _is_second,
                "not_after": _is_second,
                "issue_time": _is_microsecond,
                "csr_sha256": _is_sha256,
                "public_key_sha256": _is_sha256,
                "certificate_sha256": _is_sha256,
            },
            optional={
                "replacement_reason": _is_text,
                "replaces_serial_number": _is_serial_number,
                "work_order": _is_text,
                "lot": _is_text,
                "attributes": _is_object_of_strings,
            },
        ),
        EVENT_TYPE: _LeafType(
            required={"type": _is_text, "kind": _is_text, "time": _is_microsecond},
            optional={
                "serial_number": _is_serial_number,
                "registration_key": _is_text,
                "station": _is_text,
                "actor": _is_text,
                "reason": _is_text,
                "detail": _is_object,
            },
        ),
    }
)
