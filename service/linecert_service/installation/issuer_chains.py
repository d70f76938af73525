"""What a chain must be before it is installed, beside the checks of a start: algorithms, uses, and the right root."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.chains import IssuerFiles, subject

_DIGESTS: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEAST_RSA_BITS: Final = 2048
_FOR_DEVICES: Final = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def check(issuer: IssuerFiles, path: object) -> None:
    """Check what of a chain no start looks at, because it does not change.

    Raises:
        ConfigurationError: devices that present it would be refused somewhere; the message says why.
    """
    for certificate in issuer.chain:
        where = f"{subject(certificate)} in {path}"
        _check_version(certificate, where)
        _check_signature(certificate, where)
        _check_key(certificate, where)
        _check_uses(certificate, where)


def check_root(issuer: IssuerFiles, known: Iterable[Sequence[x509.Certificate]], expected: bytes | None) -> None:
    """Check that a chain ends in the root that it is to end in.

    Args:
        issuer: whose chain it is.
        known: the chains of the issuers that there are.
        expected: SHA-256 of the root's certificate, as the operator knows it; None: it must be one of those known.

    Raises:
        ConfigurationError: it ends in another one.
    """
    root = issuer.chain[-1]
    found = fingerprint(root)
    allowed: Collection[bytes] = [fingerprint(chain[-1]) for chain in known] if expected is None else [expected]
    if found in allowed:
        return
    if expected is None:
        raise ConfigurationError(
            f"the chain ends in {subject(root)} with SHA-256 {found.hex()}, a root of no issuer of this installation: "
            "compare that with what the root's owner says, and repeat with --root-sha256"
        )
    raise ConfigurationError(f"the chain ends in {subject(root)} with SHA-256 {found.hex()}, not in --root-sha256")


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of a certificate's DER."""
    return certificate.fingerprint(hashes.SHA256())


def _check_version(certificate: x509.Certificate, where: str) -> None:
    if certificate.version is not x509.Version.v3:
        raise ConfigurationError(f"{where} is no X.509 v3 certificate: have it issued as one (RFC 5280, 4.1.2.1)")


def _check_signature(certificate: x509.Certificate, where: str) -> None:
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    if not isinstance(digest, _DIGESTS):
        raise ConfigurationError(
            f"{where} is signed with an algorithm that devices and services do not all take: have it signed with "
            "SHA-256, SHA-384 or SHA-512, with RSA or ECDSA"
        )


def _check_key(certificate: x509.Certificate, where: str) -> None:
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits) if bits >= _LEAST_RSA_BITS:
            return
        case ec.EllipticCurvePublicKey(curve=curve) if isinstance(curve, _CURVES):
            return
    raise ConfigurationError(
        f"{where} has a key that is too weak, or that devices and services do not all take: use RSA of 2048 bits and "
        "more, or EC on P-256, P-384 or P-521"
    )


def _check_uses(certificate: x509.Certificate, where: str) -> None:
    for extension in certificate.extensions:
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            raise ConfigurationError(
                f"{where} has the critical extension {extension.oid.dotted_string}, which is not known here and to "
                "many others: have it issued without"
            )
        if isinstance(extension.value, x509.ExtendedKeyUsage) and _FOR_DEVICES.isdisjoint(extension.value):
            raise ConfigurationError(
                f"{where} is not for clientAuth by its extendedKeyUsage, and device certificates are: have it issued "
                "with clientAuth, or without that extension"
            )
