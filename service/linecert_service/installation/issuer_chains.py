"""What a chain must be before it is installed, beside the checks of a start: algorithms, uses, and the right root."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

from linecert_service.csr import weak_keys
from linecert_service.domain.errors import ConfigurationError, Refused
from linecert_service.installation.chains import IssuerFiles, extension_of, subject

# RSASSA-PSS is not among them: Azure's Device Provisioning Service and many TLS libraries do not take it.
_SIGNATURES: Final = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
_KEYS: Final = frozenset({PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.EC_PUBLIC_KEY})
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
        _check_constraints(certificate, where)
    _check_names(issuer.chain, path)
    for below, above in itertools.pairwise(issuer.chain):
        _check_key_identifier(below, above, path)


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
    if certificate.signature_algorithm_oid not in _SIGNATURES:
        raise ConfigurationError(
            f"{where} is signed with an algorithm that devices and services do not all take: have it signed with "
            "SHA-256, SHA-384 or SHA-512, with RSA (PKCS #1 v1.5, not PSS) or ECDSA"
        )


def _check_key(certificate: x509.Certificate, where: str) -> None:
    if certificate.public_key_algorithm_oid in _KEYS:
        match certificate.public_key():
            case rsa.RSAPublicKey(key_size=bits) as key if bits >= _LEAST_RSA_BITS:
                return _check_modulus(key.public_numbers().n, where)
            case ec.EllipticCurvePublicKey(curve=curve) if isinstance(curve, _CURVES):
                return None
    raise ConfigurationError(
        f"{where} has a key that is too weak, or that devices and services do not all take: use RSA of 2048 bits and "
        "more (not RSASSA-PSS), or EC on P-256, P-384 or P-521"
    )


def _check_modulus(modulus: int, where: str) -> None:
    try:
        weak_keys.check_modulus(modulus)
    except Refused:
        raise ConfigurationError(
            f"{where} has an RSA key that is easily broken (ROCA, close primes or a small factor): let nothing be "
            "issued with it, make another key with another generator, and have a new certificate made"
        ) from None


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


def _check_constraints(certificate: x509.Certificate, where: str) -> None:
    for kind, name, consequence in (
        (
            x509.NameConstraints,
            "nameConstraints",
            "names of devices may be none that it permits, and not all services read it",
        ),
        (x509.PolicyConstraints, "policyConstraints", "device certificates have no policies, and it may ask for them"),
    ):
        if extension_of(certificate, kind) is not None:
            raise ConfigurationError(
                f"{where} has the extension {name} (RFC 5280, 4.2.1): {consequence}; have it issued without"
            )


def _check_names(chain: Sequence[x509.Certificate], path: object) -> None:
    """Who builds a path goes by names: each CA has one, and only the root issued itself (RFC 5280, 4.1.2.6, 6.1)."""
    for certificate in chain:
        if not certificate.subject.rdns:
            raise ConfigurationError(f"a certificate in {path} has an empty subject: have it issued with a name")
    for certificate in chain[:-1]:
        if certificate.subject == certificate.issuer:
            raise ConfigurationError(
                f"{subject(certificate)} in {path} has its issuer's name, and is taken for a root: have it issued "
                "with a name of its own"
            )


def _check_key_identifier(below: x509.Certificate, above: x509.Certificate, path: object) -> None:
    """Where one points to the CA above it, that must be the one which follows (RFC 5280, 4.2.1.1)."""
    pointer = extension_of(below, x509.AuthorityKeyIdentifier)
    if pointer is None:
        return
    identifier = extension_of(above, x509.SubjectKeyIdentifier)
    wrong = []
    if pointer.key_identifier is not None and (identifier is None or pointer.key_identifier != identifier.digest):
        wrong.append("key identifier")
    if pointer.authority_cert_serial_number not in {None, above.serial_number}:
        wrong.append("serial number")
    names = pointer.authority_cert_issuer
    if names is not None and x509.DirectoryName(above.issuer) not in names:
        wrong.append("issuer")
    if wrong:
        raise ConfigurationError(
            f"in {path}, the authorityKeyIdentifier of {subject(below)} has another {' and '.join(wrong)} than "
            f"{subject(above)}, which follows it: put that CA's own certificate there, or have the one below made anew"
        )
