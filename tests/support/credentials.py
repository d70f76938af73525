"""Client certificates that no caller should come with, beside good ones."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support.installations import NAME
from support.server import STATION, Credential

YEAR = timedelta(days=365)
STATION_URI = f"urn:linecert:{NAME}:station:{STATION}"
"""What station-01 is known by."""


def issue(
    authority: Authority,
    *,
    name: str = STATION,
    uri: str = STATION_URI,
    lifetime: timedelta = YEAR,
    wait: timedelta = timedelta(),
    chain: Iterable[Authority] = (),
) -> Credential:
    """A client certificate of `authority`: station-01's by default, or whatever it is made to be.

    Args:
        authority: signs it.
        name: its common name.
        uri: its identity.
        lifetime: from `wait` after now.
        wait: until it begins.
        chain: what is shown after it.
    """
    key = new_key()
    validity = Validity(datetime.now(UTC) + wait, lifetime)
    certificate = authority.client(distinguished_name(name), key.public_key(), uri, validity)
    return Credential(private_pem(key), _pem(certificate, *(above.certificate for above in chain)))


def of_names(
    authority: Authority, *names: x509.GeneralName, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH
) -> Credential:
    """A certificate of `authority` with any names, for any use."""
    key = new_key()
    alternative, validity = x509.SubjectAlternativeName(names), Validity(datetime.now(UTC), YEAR)
    builder = authority._end_entity(distinguished_name(STATION), key.public_key(), alternative, usage, validity)
    return Credential(private_pem(key), _pem(authority._sign(builder)))


def below(authority: Authority, name: str = "another station CA") -> Authority:
    """A CA that `authority` has signed, whether it may or not."""
    return authority.intermediate(distinguished_name(name), new_key(), Validity(datetime.now(UTC), YEAR))


def as_authority(credential: Credential) -> Authority:
    """A caller that signs certificates with its own key, which no CA allowed it."""
    key = load_pem_private_key(credential.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(x509.load_pem_x509_certificate(credential.certificate), key)


def another_ca(name: str = "another station CA") -> Authority:
    """A CA that the server does not know."""
    validity = Validity(datetime.now(UTC), YEAR)
    return Authority.self_signed(distinguished_name(name), new_key(), validity, path_length=None)


def of_authority(authority: Authority) -> Credential:
    """A CA's own certificate, shown as a client's."""
    return Credential(private_pem(authority.private_key), authority.certificate.public_bytes(Encoding.PEM))


def of_device(key: ec.EllipticCurvePrivateKey, chain: bytes) -> Credential:
    """What a device shows to DPS, with the chain that it got."""
    return Credential(private_pem(key), chain)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
