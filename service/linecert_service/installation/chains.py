"""The chain above device certificates: is it one, and may its first certificate issue (RFC 5280, section 6)?"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert_service.config import Issuer
from linecert_service.domain.errors import ConfigurationError, KeyOutOfReach
from linecert_service.domain.ports import CaPrivateKey, Signer
from linecert_service.installation.passphrases import passphrase_of, pin_of
from linecert_service.setting_types import FILE_SCHEME
from linecert_service.signers.deferred import DeferredSigner
from linecert_service.signers.opening import Access, open_signer, workers_of

Extension = TypeVar("Extension", bound=x509.ExtensionType)
Chain: TypeAlias = tuple[x509.Certificate, ...]
"""An issuer's certificate, the intermediates above it, and the root last."""

_RSA_SIZES: Final = range(2048, 4097)
_RSA_EXPONENT: Final = 65_537


@dataclass(frozen=True, slots=True)
class IssuerFiles:
    """An issuer whose key and chain have passed every check.

    Attributes:
        name: as in `[issuers.NAME]`.
        certificate: the issuer's own.
        chain: the same, the intermediates above it, and the root last.
        signer: its key, open: whoever has it closes it.
    """

    name: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    signer: Signer = field(repr=False)

    @property
    def private_key(self) -> CaPrivateKey:
        """The key that signs device certificates."""
        return self.signer.private_key


def load_issuer(name: str, issuer: Issuer, now: float) -> IssuerFiles:
    """Read an issuer's chain, open its key, and check that it may issue at `now`, in seconds since 1970.

    Raises:
        ConfigurationError: it may not; the message says why and what to do.
    """
    chain = _load_chain(name, issuer, now)
    return IssuerFiles(name, chain[0], chain, _open_key_of(chain[0], name, issuer))


def load_staged_issuer(name: str, issuer: Issuer, now: float) -> IssuerFiles:
    """As `load_issuer`, of an issuer that signs nothing yet: a key out of reach is opened later, with a look at it.

    Raises:
        ConfigurationError: it may not issue; the message says why and what to do.
    """
    chain = _load_chain(name, issuer, now)
    open_it = functools.partial(_open_key_of, chain[0], name, issuer)
    try:
        signer = open_it()
    except KeyOutOfReach as away:
        signer = DeferredSigner(open_it, away, workers_of(issuer.key, _access(name, issuer)))
    return IssuerFiles(name, chain[0], chain, signer)


def open_key(name: str, issuer: Issuer) -> Signer:
    """Open the key of an issuer. What is returned is to be closed.

    Raises:
        ConfigurationError: it cannot be opened; the message says why and what to do.
    """
    return open_signer(issuer.key, _access(name, issuer))


def read_certificates(path: Path, setting: str) -> tuple[x509.Certificate, ...]:
    """Read a PEM file of one certificate or more.

    Raises:
        ConfigurationError: it cannot be read or is not such a file; the message names the setting.
    """
    try:
        return tuple(map(_decoded, x509.load_pem_x509_certificates(path.read_bytes())))
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path} cannot be read ({error.strerror})") from error
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ConfigurationError(
            f"{setting}: {path} does not hold PEM certificates that can be decoded: have the file made anew"
        ) from error


def check_dates(certificate: x509.Certificate, now: float, remedy: str) -> None:
    """Check that a certificate is valid at `now`.

    Raises:
        ConfigurationError: it is not; the message ends with `remedy`.
    """
    if now > certificate.not_valid_after_utc.timestamp():
        raise ConfigurationError(
            f"the certificate {subject(certificate)} expired at {utc(certificate.not_valid_after_utc)}: {remedy}"
        )
    if now < certificate.not_valid_before_utc.timestamp():
        raise ConfigurationError(
            f"the certificate {subject(certificate)} is valid only from {utc(certificate.not_valid_before_utc)} on: "
            f"set this machine's clock, or {remedy}"
        )


def check_ca(certificate: x509.Certificate, where: str) -> x509.BasicConstraints:
    """Check that a certificate is a CA's, and return its basic constraints.

    Raises:
        ConfigurationError: it is not.
    """
    constraints = extension_of(certificate, x509.BasicConstraints)
    usage = extension_of(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise ConfigurationError(
            f"{subject(certificate)} in {where} is no CA certificate: it needs basicConstraints CA:TRUE and keyUsage "
            "keyCertSign (RFC 5280, 4.2.1.3 and 4.2.1.9)"
        )
    return constraints


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` is named as issuer and its key made the signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def spki(key: PublicKeyTypes) -> bytes:
    """DER of a SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def subject(certificate: x509.Certificate) -> str:
    """The subject as messages write it."""
    return f"'{certificate.subject.rfc4514_string()}'"


def utc(moment: datetime) -> str:
    """A moment as messages write it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _load_chain(name: str, issuer: Issuer, now: float) -> Chain:
    chain = read_certificates(issuer.chain, f"issuers.{name}.chain")
    _check_links(chain, issuer.chain)
    _check_cas(chain, issuer.chain, now)
    _check_issuer(chain[0], issuer.chain)
    return chain


def _open_key_of(certificate: x509.Certificate, name: str, issuer: Issuer) -> Signer:
    signer = open_key(name, issuer)
    if spki(signer.private_key.public_key()) != spki(certificate.public_key()):
        signer.close()
        raise ConfigurationError(
            f"the key {issuer.key.removeprefix(FILE_SCHEME)} does not belong to {subject(certificate)}, the first "
            f"certificate of {issuer.chain}: correct issuers.{name}.key or issuers.{name}.chain"
        )
    return signer


def _access(name: str, issuer: Issuer) -> Access:
    return Access(
        passphrase=lambda: passphrase_of(name, issuer),
        pin=lambda pin_source: pin_of(name, issuer, pin_source),
        allow_plain=issuer.allow_plain_key,
        workers=issuer.workers,
        limit=issuer.max_signatures_per_10s,
    )


def _decoded(certificate: x509.Certificate) -> x509.Certificate:
    """The library decodes late: have it done where the error can still name the file."""
    _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    return certificate


def _check_links(chain: Sequence[x509.Certificate], path: Path) -> None:
    for below, above in itertools.pairwise(chain):
        if below == above or not is_issued_by(below, above):
            raise ConfigurationError(
                f"in {path}, {subject(below)} was not issued by {subject(above)}, which follows it: put the issuer "
                "first, then each certificate's own issuer, the root last"
            )
    if not is_issued_by(chain[-1], chain[-1]):
        raise ConfigurationError(
            f"{path} ends in {subject(chain[-1])}, which is no root: add the certificates above it, up to the "
            "self-signed one"
        )


def _check_cas(chain: Sequence[x509.Certificate], path: Path, now: float) -> None:
    for position, certificate in enumerate(chain):
        constraints = check_ca(certificate, str(path))
        check_dates(certificate, now, f"put a chain that is valid now into {path}")
        if constraints.path_length is not None and constraints.path_length < position:
            raise ConfigurationError(
                f"{subject(certificate)} in {path} allows {constraints.path_length} CAs below it and there are "
                f"{position}: its owner must raise pathLenConstraint, or use an issuer higher up"
            )


def check_key(public_key: PublicKeyTypes, what: str) -> None:
    """Check that a key is of a kind that issues.

    Raises:
        ConfigurationError: it is not; the message begins with `what`.
    """
    match public_key:
        case rsa.RSAPublicKey() as key:
            allowed = key.key_size in _RSA_SIZES and key.public_numbers().e == _RSA_EXPONENT
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1() | ec.SECP384R1()):
            allowed = True
        case _:
            allowed = False
    if not allowed:
        raise ConfigurationError(
            f"{what} cannot issue: use RSA of 2048 to 4096 bits with exponent {_RSA_EXPONENT}, or EC P-256 or P-384"
        )


def _check_issuer(certificate: x509.Certificate, path: Path) -> None:
    check_key(certificate.public_key(), f"the key of {subject(certificate)} in {path}")
    if extension_of(certificate, x509.SubjectKeyIdentifier) is None:
        raise ConfigurationError(
            f"{subject(certificate)} in {path} has no subjectKeyIdentifier, which device certificates must point to "
            "(RFC 5280, 4.2.1.2): have it issued with one"
        )


def extension_of(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """An extension of a certificate; None where it has none of that kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
