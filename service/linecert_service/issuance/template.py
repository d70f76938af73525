"""The part of a certificate that is signed, the TBSCertificate of RFC 5280 (section 4.1), put together from its pieces.

What all certificates of a profile share is encoded once, by the library; serial number, validity, common name, public
key and subject key identifier are set in for each. That takes a tenth of the time that building each anew takes. What
comes out is read back by `issuance.certificate` before it leaves.
"""

import datetime as dt
import hashlib
import time
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from linecert_service.csr import der
from linecert_service.csr.der import Reader, element, object_identifier
from linecert_service.issuance.issuer import Issuer

SERIAL_OCTETS: Final = 20
KEY_IDENTIFIER_OCTETS: Final = 20

_VERSION_3: Final = element(der.CONTEXT_0, element(der.INTEGER, b"\x02"))
_COMMON_NAME: Final = element(der.OBJECT_IDENTIFIER, object_identifier("2.5.4.3"))
_GENERALIZED_FROM: Final = 2_524_608_000
"""2050-01-01: RFC 5280 (section 4.1.2.5) writes earlier times with two digits of the year."""


class Template:
    """Makes the signed part of a profile's certificates, for one kind of device key.

    Args:
        issuer: who signs.
        attributes: of the subject, before the common name.
        extensions: all but the subject key identifier, in their order.
    """

    def __init__(
        self,
        issuer: Issuer,
        attributes: tuple[x509.NameAttribute[str], ...],
        extensions: tuple[x509.Extension[x509.ExtensionType], ...],
    ) -> None:
        self._algorithm_and_issuer = issuer.algorithm + issuer.subject
        self._attributes = Reader(x509.Name(attributes).public_bytes()).content(der.SEQUENCE)
        self._before, self._after = _around_key_identifier(extensions)

    def fill(
        self, *, serial: bytes, not_before: int, not_after: int, common_name: str, spki: bytes, key_identifier: bytes
    ) -> bytes:
        """DER of a TBSCertificate.

        Args:
            serial: SERIAL_OCTETS, the first bit 0 and the second 1.
            not_before: seconds since 1970.
            not_after: the same.
            common_name: ASCII, 64 characters at most.
            spki: DER of the SubjectPublicKeyInfo.
            key_identifier: see `key_identifier`.
        """
        return element(
            der.SEQUENCE,
            b"".join(
                (
                    _VERSION_3,
                    element(der.INTEGER, serial),
                    self._algorithm_and_issuer,
                    _validity(not_before, not_after),
                    element(der.SEQUENCE, self._attributes + _common_name(common_name)),
                    spki,
                    self._before,
                    key_identifier,
                    self._after,
                )
            ),
        )


def key_identifier(spki: bytes) -> bytes:
    """SHA-1 of the key's BIT STRING (RFC 5280, section 4.2.1.2, method 1): an identifier, no protection."""
    info = Reader(Reader(spki).content(der.SEQUENCE))
    info.element(der.SEQUENCE)
    # Without the octet that counts the unused bits.
    return hashlib.sha1(info.content(der.BIT_STRING)[1:], usedforsecurity=False).digest()


def certificate(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """DER of a Certificate (RFC 5280, section 4.1)."""
    return element(der.SEQUENCE, tbs + algorithm + element(der.BIT_STRING, b"\x00" + signature))


def _common_name(value: str) -> bytes:
    attribute = _COMMON_NAME + element(der.UTF8_STRING, value.encode("ascii"))
    return element(der.SET, element(der.SEQUENCE, attribute))


@lru_cache(maxsize=4_096)
def _validity(not_before: int, not_after: int) -> bytes:
    return element(der.SEQUENCE, _time(not_before) + _time(not_after))


def _time(seconds: int) -> bytes:
    if seconds < _GENERALIZED_FROM:
        return element(der.UTC_TIME, time.strftime("%y%m%d%H%M%SZ", time.gmtime(seconds)).encode())
    return element(der.GENERALIZED_TIME, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def _around_key_identifier(extensions: tuple[x509.Extension[x509.ExtensionType], ...]) -> tuple[bytes, bytes]:
    """The encoded extensions before and after the octets of the subject key identifier, which comes last."""
    mark = hashlib.sha1(b"subject key identifier", usedforsecurity=False).digest()
    encoded = _encode(extensions, x509.SubjectKeyIdentifier(mark))
    before, _, after = encoded.partition(mark)
    return before, after


def _encode(
    extensions: tuple[x509.Extension[x509.ExtensionType], ...], key_identifier: x509.SubjectKeyIdentifier
) -> bytes:
    """The extensions as the library encodes them: taken from a certificate that is made for this alone."""
    throwaway = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(throwaway.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2000, 1, 2, tzinfo=dt.UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    made = builder.add_extension(key_identifier, critical=False).sign(throwaway, hashes.SHA256())
    fields = Reader(Reader(made.tbs_certificate_bytes).content(der.SEQUENCE))
    for tag in (der.CONTEXT_0, der.INTEGER, *(der.SEQUENCE,) * 5):
        fields.element(tag)
    return fields.element(der.CONTEXT_3)
