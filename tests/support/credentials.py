"""Client certificates that no caller should come with, beside good ones."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support.installations import NAME
from support.server import STATION, Credential

YEAR = timedelta(days=365)
STATION_URI = f"urn:linecert:{NAME}:station:{STATION}"
"""What station-01 is known by."""


def issue(
    authority: Authority, *, name: str = STATION, uri: str = STATION_URI, lifetime: timedelta = YEAR
) -> Credential:
    """A client certificate of `authority`: station-01's by default, or whatever it is made to be."""
    key = new_key()
    validity = Validity(datetime.now(UTC), lifetime)
    certificate = authority.client(distinguished_name(name), key.public_key(), uri, validity)
    return Credential(private_pem(key), certificate.public_bytes(Encoding.PEM))


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
