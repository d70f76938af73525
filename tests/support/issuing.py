"""What issues, without gRPC and without a store: issuers, profiles, callers, requests."""

import datetime as dt
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from linecert.v1.options_pb2 import Role
from linecert_service.domain.ports import CaPrivateKey
from linecert_service.domain.requests import SignRequest
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.planning import Caller
from linecert_service.issuance.profile import Profile
from linecert_service.policy.identity import Identity
from linecert_service.policy.stations import Station
from linecert_service.signers.local import LocalSigner
from support import csrs
from support.claims import NOW, request_id

YEAR = 365 * 86_400


@cache
def ca_key(kind: str = "P-256") -> CaPrivateKey:
    """A CA key, made once."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


def issuer(kind: str = "P-256", *, starts: int = NOW - YEAR, ends: int = NOW + 20 * YEAR, signs: Any = None) -> Issuer:
    """An issuer whose chain is itself, a CA certificate valid from `starts` to `ends`; `signs` is another's key."""
    key = ca_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test issuer")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime.fromtimestamp(starts, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(ends, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issuer("issuer", [certificate], LocalSigner(signs or key))


def profile(of: Issuer | None = None, **changes: Any) -> Profile:
    """The profile `device` that `init` makes."""
    settings: dict[str, Any] = {
        "validity": 5 * YEAR,
        "max_validity": 5 * YEAR,
        "not_after": None,
        "backdate": 300,
        "clamp": False,
        "key_types": csrs.ACCEPTED_KEY_TYPES,
        "subject": {},
    }
    return Profile(changes.pop("name", "device"), of or issuer(), **(settings | changes))


def caller(**changes: Any) -> Caller:
    """station-01 on line-01, which may do everything that a station may by default."""
    entry: dict[str, Any] = {
        "name": "station-01",
        "line": "line-01",
        "identity": Identity("", "uri", "urn:station-01"),
        "roles": frozenset({Role.ROLE_STATION}),
        "profiles": ("device",),
        "default_profile": "device",
    }
    return Caller(Station(**(entry | changes)), b"s" * 32)


def request(device: str = "device-01", **changes: Any) -> SignRequest:
    """A request for `device`, with a CSR for a P-256 key."""
    asked: dict[str, Any] = {
        "request_id": request_id(1),
        "csr": changes.pop("csr", None) or csrs.make(registration_id=device),
        "registration_id": None,
        "profile": None,
        "work_order": None,
        "lot": None,
        "attributes": {},
        "validity": None,
        "replacement_reason": None,
        "validate_only": False,
    }
    return SignRequest(**(asked | changes))
