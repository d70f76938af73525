"""CSRs for tests: good by default, with one thing changed per case.

Everything is put together from its DER pieces, so that a test can make what no library would write. What is not changed
stays right: the signature covers whatever `make` was given, unless a test replaces the signature itself.
"""

import base64
import datetime as dt
import functools
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

PrivateKey = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | dsa.DSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
"""Keys that `make` can sign with."""

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
TELETEX_STRING: Final = 0x14
IA5_STRING: Final = 0x16
UNIVERSAL_STRING: Final = 0x1C
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31
ATTRIBUTES: Final = 0xA0

ACCEPTED_KEY_TYPES: Final = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096")
"""Key types that a device may have."""

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "P-224": ec.SECP224R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "MD5": hashes.MD5(),  # noqa: S303 -- to be refused
    "SHA-1": hashes.SHA1(),  # noqa: S303 -- the same
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}
_RSA_SIGNATURES: Final = {
    "MD5": "1.2.840.113549.1.1.4",
    "SHA-1": "1.2.840.113549.1.1.5",
    "SHA-224": "1.2.840.113549.1.1.14",
    "SHA-256": "1.2.840.113549.1.1.11",
    "SHA-384": "1.2.840.113549.1.1.12",
    "SHA-512": "1.2.840.113549.1.1.13",
}
_ECDSA_SIGNATURES: Final = {
    "SHA-1": "1.2.840.10045.4.1",
    "SHA-224": "1.2.840.10045.4.3.1",
    "SHA-256": "1.2.840.10045.4.3.2",
    "SHA-384": "1.2.840.10045.4.3.3",
    "SHA-512": "1.2.840.10045.4.3.4",
}
_DSA_WITH_SHA256: Final = "2.16.840.1.101.3.4.3.2"


# The pieces of DER.


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element with the minimal definite length."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *arcs):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return tlv(OBJECT_IDENTIFIER, bytes(content))


def integer(value: int) -> bytes:
    """An INTEGER, minimal; negative ones too."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def bit_string(content: bytes, *, unused: int = 0) -> bytes:
    """A BIT STRING."""
    return tlv(BIT_STRING, bytes((unused,)), content)


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    """An AlgorithmIdentifier."""
    return tlv(SEQUENCE, oid(dotted), *parameters)


RSA_WITH_SHA256: Final = algorithm(_RSA_SIGNATURES["SHA-256"], tlv(NULL))
ECDSA_WITH_SHA256: Final = algorithm(_ECDSA_SIGNATURES["SHA-256"])


# Names.


def attribute(dotted: str, value: str | bytes, tag: int = UTF8_STRING) -> bytes:
    """An AttributeTypeAndValue."""
    return tlv(SEQUENCE, oid(dotted), tlv(tag, value.encode() if isinstance(value, str) else value))


def common_name(value: str | bytes, tag: int = UTF8_STRING) -> bytes:
    """The AttributeTypeAndValue of a common name."""
    return attribute("2.5.4.3", value, tag)


def name(*rdns: bytes | Sequence[bytes]) -> bytes:
    """A Name: each argument is an RDN, one attribute or several (in DER's order)."""
    return tlv(SEQUENCE, *(tlv(SET, *([rdn] if isinstance(rdn, bytes) else sorted(rdn))) for rdn in rdns))


# Keys.


def key(key_type: str = "P-256", number: int = 0) -> PrivateKey:
    """A private key, the same one for the same arguments: `P-256`, `P-521`, `RSA-2048`, `DSA-2048`, `Ed25519`, ..."""
    return _cached_key(key_type, number)


@functools.cache
def _cached_key(key_type: str, _number: int) -> PrivateKey:
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type])
    if key_type == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if key_type == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    family, bits = key_type.split("-")
    if family == "DSA":
        return dsa.generate_private_key(int(bits))
    return rsa.generate_private_key(65537, int(bits))


def rsa_key(p: int, q: int, e: int = 65537) -> rsa.RSAPrivateKey:
    """The RSA key of two given primes, however bad they are."""
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q), public)
    return private.private_key(unsafe_skip_rsa_key_validation=True)


def spki_of(private_key: PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of a key, as the library writes it."""
    return private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def rsa_spki(modulus: int, exponent: int = 65537) -> bytes:
    """A SubjectPublicKeyInfo of any numbers."""
    numbers = tlv(SEQUENCE, integer(modulus), integer(exponent))
    return tlv(SEQUENCE, algorithm("1.2.840.113549.1.1.1", tlv(NULL)), bit_string(numbers))


def ec_spki(point: bytes, *, curve: bytes | None = None, unused: int = 0) -> bytes:
    """A SubjectPublicKeyInfo of any point; `curve` are the parameters, P-256 by default."""
    parameters = oid("1.2.840.10045.3.1.7") if curve is None else curve
    return tlv(SEQUENCE, algorithm("1.2.840.10045.2.1", parameters), bit_string(point, unused=unused))


def explicit_p256_parameters() -> bytes:
    """The parameters of P-256, spelled out instead of named (RFC 3279, section 2.3.5)."""
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    generator = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return tlv(
        SEQUENCE,
        integer(1),
        tlv(SEQUENCE, oid("1.2.840.10045.1.1"), integer(prime)),
        tlv(SEQUENCE, tlv(OCTET_STRING, (prime - 3).to_bytes(32)), tlv(OCTET_STRING, b.to_bytes(32))),
        tlv(OCTET_STRING, generator),
        integer(order),
        integer(1),
    )


# CSRs.


def make(
    registration_id: str | bytes = "device-01",
    key: PrivateKey | None = None,
    *,
    hash_name: str = "SHA-256",
    subject: bytes | None = None,
    spki: bytes | None = None,
    version: bytes | None = None,
    attributes: bytes | None = None,
    signature_algorithm: bytes | None = None,
    signature: bytes | None = None,
    info: bytes | None = None,
) -> bytes:
    """The DER of a CSR.

    Args:
        registration_id: the common name, as UTF8String.
        key: what signs; a P-256 key by default.
        hash_name: `SHA-256` and so on.
        subject: the Name instead of the common name alone.
        spki: the SubjectPublicKeyInfo instead of that of `key`.
        version: the INTEGER instead of version 0.
        attributes: the element `[0]` instead of an empty one.
        signature_algorithm: the AlgorithmIdentifier instead of the one that the signature is made with.
        signature: the BIT STRING instead of a right one.
        info: the CertificationRequestInfo instead of the one of the arguments above.
    """
    signer = _default_key() if key is None else key
    if info is None:
        info = tlv(
            SEQUENCE,
            integer(0) if version is None else version,
            name(common_name(registration_id)) if subject is None else subject,
            spki_of(signer) if spki is None else spki,
            tlv(ATTRIBUTES) if attributes is None else attributes,
        )
    signed_with, octets = _sign(signer, hash_name, info) if signature is None else (b"", b"")
    if signature_algorithm is None:
        signature_algorithm = signed_with or algorithm(_ECDSA_SIGNATURES[hash_name])
    return tlv(SEQUENCE, info, signature_algorithm, bit_string(octets) if signature is None else signature)


def extension_request() -> bytes:
    """The attribute that asks for basicConstraints CA:TRUE, critical."""
    basic_constraints = tlv(SEQUENCE, tlv(BOOLEAN, b"\xff"))
    extension = tlv(SEQUENCE, oid("2.5.29.19"), tlv(BOOLEAN, b"\xff"), tlv(OCTET_STRING, basic_constraints))
    return tlv(SEQUENCE, oid("1.2.840.113549.1.9.14"), tlv(SET, tlv(SEQUENCE, extension)))


def info_of(der: bytes) -> bytes:
    """The CertificationRequestInfo of a CSR that `make` made."""
    return x509.load_der_x509_csr(der).tbs_certrequest_bytes


def pem(der: bytes, *, label: str = "CERTIFICATE REQUEST", newline: str = "\n") -> bytes:
    """The PEM of a CSR, 64 characters a line as RFC 7468 writes them."""
    text = base64.b64encode(der).decode()
    lines = (text[start : start + 64] for start in range(0, len(text), 64))
    return newline.join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()


@functools.cache
def self_signed_certificate() -> x509.Certificate:
    """A certificate of the default key: what a station may send instead of a CSR."""
    signer = key()
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device-01")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return x509.CertificateBuilder(subject, subject, signer.public_key(), 1, start, start + dt.timedelta(days=1)).sign(
        signer, hashes.SHA256()
    )


def _default_key() -> PrivateKey:
    return key()


def _sign(signer: PrivateKey, hash_name: str, data: bytes) -> tuple[bytes, bytes]:
    """The AlgorithmIdentifier and the signature over `data`."""
    digest = _HASHES[hash_name]
    match signer:
        case ec.EllipticCurvePrivateKey():
            return algorithm(_ECDSA_SIGNATURES[hash_name]), signer.sign(data, ec.ECDSA(digest))
        case rsa.RSAPrivateKey():
            return algorithm(_RSA_SIGNATURES[hash_name], tlv(NULL)), signer.sign(data, padding.PKCS1v15(), digest)
        case dsa.DSAPrivateKey():
            return algorithm(_DSA_WITH_SHA256), signer.sign(data, hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return algorithm("1.3.101.112"), signer.sign(data)
        case _:
            return algorithm("1.3.101.113"), signer.sign(data)
