"""Sign an issuer's CSR with the root that `init` left in `offline/`, on the machine where that folder is."""

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from linecert_service.csr import certification_request, encoding, library, public_keys, signatures, weak_keys
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.installation import chains, offline
from linecert_service.installation.authorities import Authority, Validity, spki_sha256
from linecert_service.installation.layout import Layout

_LARGEST_CSR: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A CSR of an issuer that has passed every check.

    Attributes:
        subject: the name that it asks for.
        public_key: its key.
        key_type: of that, such as `P-256`.
        csr_sha256: SHA-256 of its DER, in hex.
    """

    subject: x509.Name
    public_key: RSAPublicKey | EllipticCurvePublicKey
    key_type: str
    csr_sha256: str

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 of its SubjectPublicKeyInfo, in hex."""
        return spki_sha256(self.public_key).hex()

    def is_meant(self, fingerprint: str) -> bool:
        """Whether this is the SHA-256 of the CSR or of its key, in hex with or without colons and spaces."""
        return fingerprint.lower().replace(":", "").replace(" ", "") in {self.csr_sha256, self.public_key_sha256}


def read_request(path: Path) -> CheckedRequest:
    """Read a CSR, and check its form, its key and its signature.

    Raises:
        ConfigurationError: something about it is wrong.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_CSR + 1)
    if len(data) > _LARGEST_CSR:
        raise ConfigurationError(f"{path} is no CSR: it has more than {_LARGEST_CSR} bytes")
    try:
        return _checked(data)
    except Refused as refused:
        raise ConfigurationError(f"{path}: {refused.message}") from refused


def read_root(folder: Path, certificate: Path | None) -> Authority:
    """The root whose key is in the folder `offline/`.

    Args:
        folder: that folder.
        certificate: PEM file with the root's certificate, in a chain or alone; None: the one in the folder, or, for
            folders of older versions, in the installation around it.

    Raises:
        ConfigurationError: key or certificate is not there, or they do not belong together.
    """
    layout = Layout(folder.absolute().parent)
    candidates = [folder / layout.root.name, layout.pki / "issuer.chain.pem"] if certificate is None else [certificate]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise ConfigurationError(
            f"{candidates[0]} is not there: put the root's certificate there, which is the last one of the issuer's "
            "chain, or name a file that holds it with --root"
        )
    return offline.authority(folder / layout.root_key.name, chains.read_certificates(found, "--root"))


def sign(root: Authority, request: CheckedRequest, lifetime: timedelta, now: datetime) -> tuple[x509.Certificate, ...]:
    """Issue an intermediate CA that issues no further CAs, as `init` does, and return its chain.

    Raises:
        ConfigurationError: the root may not issue it now, or ends before it, or the CSR asks for the root's own key or
            name.
    """
    _check_root(root, request, now)
    end, last = now + lifetime, root.certificate.not_valid_after_utc
    if end > last:
        raise ConfigurationError(
            f"the root ends at {chains.utc(last)}, before the issuer would: give a shorter --validity, such as "
            f"{(last - now).days}d, or make a new root"
        )
    made = root.subordinate(request.subject, request.public_key, Validity(now, lifetime))
    if not chains.is_issued_by(made, root.certificate):
        raise ConfigurationError("the root's signature does not verify: its key is damaged")
    return made, root.certificate


def parse_fingerprint(text: str) -> bytes:
    """SHA-256 from hex, with or without colons and spaces.

    Raises:
        ValueError: it is none.
    """
    with contextlib.suppress(ValueError):
        digest = bytes.fromhex(text.replace(":", ""))
        if len(digest) == hashlib.sha256().digest_size:
            return digest
    raise ValueError("must be a SHA-256 of 64 hex digits, with or without colons")


def _checked(data: bytes) -> CheckedRequest:
    der = encoding.to_der(data)
    request = certification_request.parse(der)
    key = public_keys.recognise(request.spki)
    algorithm = signatures.recognise(request.signature_algorithm)
    if key.family == "RSA":
        weak_keys.check_modulus(key.modulus)
    public_key = library.load_public_key(request.spki)
    signatures.verify(public_key, algorithm, request.signature, request.info)
    if not library.can_parse(der):
        raise ConfigurationError("the CSR's subject or attributes are not as RFC 2986 has them: have it made anew")
    subject = x509.load_der_x509_csr(der).subject
    _check_subject(subject)
    return CheckedRequest(subject, public_key, key.key_type, hashlib.sha256(der).hexdigest())


def _check_subject(subject: Iterable[x509.NameAttribute[str | bytes]]) -> None:
    if not any(attribute.oid == x509.NameOID.COMMON_NAME for attribute in subject):
        raise ConfigurationError("the CSR's subject has no common name: have it made with one")
    if not all(isinstance(attribute.value, str) and attribute.value.isprintable() for attribute in subject):
        raise ConfigurationError("the CSR's subject holds characters that cannot be printed: have it made anew")


def _check_root(root: Authority, request: CheckedRequest, now: datetime) -> None:
    certificate = root.certificate
    constraints = chains.check_ca(certificate, "--root")
    chains.check_dates(certificate, now.timestamp(), "make a new root")
    if constraints.path_length == 0:
        raise ConfigurationError(f"the root {chains.subject(certificate)} has pathLen 0: it may issue no CAs")
    if request.public_key_sha256 == spki_sha256(certificate.public_key()).hex():
        raise ConfigurationError("the CSR is for the root's own key: have one made for the issuer's")
    if request.subject == certificate.subject:
        raise ConfigurationError("the CSR asks for the root's own name: have it made with another subject")
