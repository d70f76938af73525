"""Find a URI's token, private key and public key. Nothing is changed in the token, and nothing signed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11._pkcs11 import lib as Library
from pkcs11.exceptions import (
    AttributeTypeInvalid,
    MultipleObjectsReturned,
    MultipleTokensReturned,
    NoSuchKey,
    NoSuchToken,
    TokenNotPresent,
    TokenNotRecognised,
)

from linecert_service.csr.der import OCTET_STRING, Reader
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

# The DER of ECParameters with a named curve (RFC 5480, 2.1.1).
_CURVES: Final[Mapping[bytes, ec.EllipticCurve]] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
}


def token_of(library: Library, uri: Pkcs11Uri) -> pkcs11.Token:
    """The token that the URI names.

    Raises:
        NoSuchToken: there is none.
        MultipleTokensReturned: there are several.
        PKCS11Error: the module fails.
    """
    found = [token for token in _tokens(library) if _is_meant(token, uri)]
    if not found:
        raise NoSuchToken(f"{uri.token_name} is not there")
    if len(found) > 1:
        raise MultipleTokensReturned(f"there are {len(found)} such tokens")
    return found[0]


def private_key_of(session: pkcs11.Session, uri: Pkcs11Uri) -> Any:
    """The private key that the URI names, as an object of this session: a `pkcs11.PrivateKey` that signs.

    Raises:
        NoSuchKey: there is none that this session sees.
        MultipleObjectsReturned: there are several.
        PKCS11Error: the token fails.
    """
    return _one(session, {Attribute.CLASS: ObjectClass.PRIVATE_KEY, **_names(uri)})


def is_taken(session: pkcs11.Session, uri: Pkcs11Uri) -> bool:
    """Whether the token shows anything under the label or identifier that the URI names. Raises PKCS11Error."""
    return any(list(session.get_objects({attribute: value})) for attribute, value in _names(uri).items())


def public_key_of(key: pkcs11.PrivateKey) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The public key of a private one.

    An RSA key says it itself; an EC key's point stands in the public key object beside it, which has its CKA_ID.

    Raises:
        UnsupportedAlgorithm: it is neither RSA nor EC on P-256 or P-384.
        ValueError: the token says something that is no key.
        NoSuchKey: the token does not hold the point.
        PKCS11Error: the token fails.
    """
    if key.key_type == KeyType.RSA:
        modulus, exponent = (_number(key[name]) for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT))
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    curve = _CURVES.get(bytes(key[Attribute.EC_PARAMS])) if key.key_type == KeyType.EC else None
    if curve is None:
        raise UnsupportedAlgorithm("neither RSA nor EC on P-256 or P-384")
    beside = _one(key.session, {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key.id})
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(bytes(beside[Attribute.EC_POINT]), curve))


def may_leave(key: pkcs11.PrivateKey) -> bool:
    """Whether the token would hand the key out."""
    try:
        return bool(key[Attribute.EXTRACTABLE]) or not key[Attribute.SENSITIVE]
    except AttributeTypeInvalid:
        return False


def asks_each_time(key: pkcs11.PrivateKey) -> bool:
    """Whether the token wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE)."""
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except AttributeTypeInvalid:
        return False


def _tokens(library: Library) -> Iterator[pkcs11.Token]:
    for slot in library.get_slots(token_present=True):
        try:
            yield slot.get_token()
        except (TokenNotPresent, TokenNotRecognised):
            continue


def _is_meant(token: pkcs11.Token, uri: Pkcs11Uri) -> bool:
    pairs = (
        (uri.token, token.label),
        (uri.serial, token.serial.decode(errors="replace")),
        (uri.model, token.model),
        (uri.manufacturer, token.manufacturer_id),
        (uri.slot_id, token.slot.slot_id),
    )
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _names(uri: Pkcs11Uri) -> dict[Attribute, Any]:
    named = {Attribute.LABEL: uri.object, Attribute.ID: uri.id}
    return {attribute: value for attribute, value in named.items() if value is not None}


def _one(session: pkcs11.Session, attributes: dict[Attribute, Any]) -> Any:
    # Read to the end: a search that is left open is closed by the garbage collector, in another thread and at any time.
    found = list(session.get_objects(attributes))
    if not found:
        raise NoSuchKey("the token shows no such key")
    if len(found) > 1:
        raise MultipleObjectsReturned(f"the token holds {len(found)} such keys")
    return found[0]


def _number(octets: Any) -> int:
    return int.from_bytes(bytes(octets), "big")


def _point(value: bytes, curve: ec.EllipticCurve) -> bytes:
    """The point of CKA_EC_POINT: inside an OCTET STRING (PKCS#11 v3.1, 6.3.3), or with some tokens as it is."""
    if len(value) == 1 + 2 * (curve.key_size // 8):
        return value
    return Reader(value).content(OCTET_STRING)
