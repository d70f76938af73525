"""Who a caller is: what its certificate says, read against the station CAs."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import ConfigurationError, Refused

IdentityKind = Literal["uri", "dns", "cn", "sha256"]
IDENTITY_KINDS: Final[tuple[IdentityKind, ...]] = ("uri", "dns", "cn", "sha256")


class Identity(NamedTuple):
    """What `stations.toml` knows a caller by.

    Attributes:
        ca: hex SHA-256 of the certificate of the station CA that issued the caller's.
        kind: where in the certificate the value stands; `sha256` is the hash of the certificate itself.
        value: compared byte for byte; DNS names and hashes in lower case.
    """

    ca: str
    kind: str
    value: str


def fingerprint(certificate: x509.Certificate) -> str:
    """Hex SHA-256 of a certificate, as `ca` of an identity is written."""
    return certificate.fingerprint(hashes.SHA256()).hex()


class StationCas:
    """The CAs that vouch for callers: the certificates of the client CA file."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self.certificates = tuple(certificates)
        self.fingerprints = tuple(map(fingerprint, self.certificates))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the client CA file.

        Raises:
            ConfigurationError: it cannot be read, or holds no certificate.
        """
        try:
            return cls(x509.load_pem_x509_certificates(path.read_bytes()))
        except OSError as error:
            raise ConfigurationError(f"the client CA file {path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigurationError(
                f"the client CA file {path} holds no PEM certificates: put the station CA's certificate there"
            ) from error

    @property
    def pem(self) -> bytes:
        """The certificates, as TLS takes them."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.certificates)

    def issuer_of(self, certificate: x509.Certificate) -> str | None:
        """Hex SHA-256 of the station CA that signed `certificate`; None when none did."""
        for authority, fingerprint in zip(self.certificates, self.fingerprints, strict=True):
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return fingerprint
        return None


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A caller's certificate. Made once for a connection; what depends on the time is judged on every call.

    Attributes:
        ca: hex SHA-256 of the station CA's certificate.
        identities: what `stations.toml` may know it by.
        serial: its serial number.
        not_before, not_after: seconds since 1970.
        spki_sha256: SHA-256 of its public key; a device must not come with the same one.
        sha256: hex SHA-256 of the whole certificate.
    """

    ca: str
    identities: tuple[Identity, ...]
    serial: int
    not_before: float
    not_after: float
    spki_sha256: bytes
    sha256: str

    @classmethod
    def parse(cls, pem: bytes, station_cas: StationCas) -> Self:
        """Read the certificate that TLS has accepted.

        Raises:
            Refused: CALLER_UNKNOWN, when no station CA signed it or it cannot be read.
        """
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            if (ca := station_cas.issuer_of(certificate)) is not None:
                return cls._read(certificate, ca)
        # The library decodes late, and with exceptions of its own: none may become an INTERNAL error.
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            raise _unknown("the certificate cannot be read") from error
        raise _unknown("it was not issued by a station CA")

    @classmethod
    def _read(cls, certificate: x509.Certificate, ca: str) -> Self:
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        sha256 = fingerprint(certificate)
        return cls(
            ca=ca,
            identities=(Identity(ca, "sha256", sha256), *_names(certificate, ca)),
            serial=certificate.serial_number,
            not_before=certificate.not_valid_before_utc.timestamp(),
            not_after=certificate.not_valid_after_utc.timestamp(),
            spki_sha256=hashlib.sha256(spki).digest(),
            sha256=sha256,
        )


def _names(certificate: x509.Certificate, ca: str) -> Iterator[Identity]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        yield from (Identity(ca, "uri", uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier))
        yield from (Identity(ca, "dns", name.lower()) for name in names.get_values_for_type(x509.DNSName))
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(common_names) == 1:
        yield Identity(ca, "cn", str(common_names[0].value))


def _unknown(why: str) -> Refused:
    return Refused(
        reasons.ERROR_REASON_CALLER_UNKNOWN,
        f"the client certificate names no caller of this service: {why}; "
        "use the certificate that `linecert-server station add` made",
    )
