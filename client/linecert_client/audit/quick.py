"""A quick yes to leaves in the plainest form, so that a log of millions is verified in minutes.

`agrees` says yes only where `parse_leaf` and `check_leaf_against_certificate` of `linecert.transparency` would both
pass; whatever it does not recognise at a glance goes to them. It matches the leaf with one expression instead of
parsing it, and finds the certificate's fields by the DER around them (RFC 5280, section 4.1) instead of decoding them.
"""

import hashlib
import itertools
import re
from typing import Final

from cryptography import x509

_SHA256: Final = '"([0-9a-f]{64})"'
_SERIAL: Final = '"([1-7][0-9a-f]{39})"'
# ASCII that JSON writes as it is. A text ends where its quotation mark is: no repetition gives characters back.
_CHARACTER: Final = r'[^"\\\x00-\x1f\x7f-\xff]'
_TEXT: Final = f'"{_CHARACTER}++"'
# Whether there is such a date, the certificate's parser says.
_SECOND: Final = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_ATTRIBUTE: Final = f'"[a-z0-9_]++":"{_CHARACTER}*+"'

# The fields of `certificate/1` in the order of RFC 8785. The names of the groups are those of `agrees`.
_LEAF: Final = re.compile(
    (
        rf'\{{(?:"attributes":(\{{{_ATTRIBUTE}(?:,{_ATTRIBUTE})*\}}),)?'
        rf'"certificate_sha256":{_SHA256},'
        rf'"csr_sha256":"[0-9a-f]{{64}}",'
        r'"generation":[1-9][0-9]{0,8},'
        rf'"issue_time":"({_SECOND}\.[0-9]{{6}}Z)",'
        rf'"issuer_certificate_sha256":{_SHA256},'
        rf'"line":{_TEXT},'
        rf'(?:"lot":{_TEXT},)?'
        rf'"not_after":"({_SECOND}Z)",'
        rf'"not_before":"({_SECOND}Z)",'
        rf'"profile":{_TEXT},'
        rf'"public_key_sha256":{_SHA256},'
        rf'"registration_id":"({_CHARACTER}++)",'
        rf'(?:"replacement_reason":{_TEXT},)?'
        r'(?:"replaces_serial_number":"[0-9a-f]{40}",)?'
        rf'"request_id":{_TEXT},'
        rf'"request_sha256":"[0-9a-f]{{64}}",'
        rf'"serial_number":{_SERIAL},'
        rf'"station":{_TEXT},'
        r'"type":"certificate/1"'
        rf'(?:,"work_order":{_TEXT})?\}}'
    ).encode()
)
_NAME: Final = re.compile(rb'"([a-z0-9_]+)":"')

_SEQUENCE: Final = 0x30
_UTF8_STRING: Final = 0x0C
_VERSION_3: Final = bytes.fromhex("a003020102")
_SERIAL_HEADER: Final = b"\x02\x14"
_COMMON_NAME: Final = bytes.fromhex("0603550403")
_LONG_FORM: Final = 0x80
_LONGEST_NAME: Final = 64
# A Name with one common name, a UTF8String (RFC 5280, section 4.1.2.6), up to the name itself, by its length.
_SUBJECT_HEADS: Final = tuple(
    bytes((_SEQUENCE, 11 + length, 0x31, 9 + length, _SEQUENCE, 7 + length))
    + _COMMON_NAME
    + bytes((_UTF8_STRING, length))
    for length in range(_LONGEST_NAME + 1)
)


def agrees(leaf: bytes, certificate: bytes) -> tuple[str, str] | None:
    """Whether leaf and certificate are plainly well-formed and say the same; else None: it takes a closer look.

    Returns:
        The issue time and the issuer's SHA-256, as the leaf states them.
    """
    match = _LEAF.fullmatch(leaf)
    if match is None:
        return None
    attributes, digest, issue_time, issuer, not_after, not_before, key, name, serial = match.groups()
    if attributes is not None and not _in_order(attributes):
        return None
    if hashlib.sha256(certificate).hexdigest().encode() != digest:
        return None
    try:
        values = _validity(not_before, not_after) + _SUBJECT_HEADS[len(name)] + name
        if _public_key_sha256(certificate, serial, values) != key:
            return None
        # The fields are where they are looked for only in a certificate that is one altogether.
        x509.load_der_x509_certificate(certificate)
    except (ValueError, IndexError, x509.InvalidVersion):
        return None
    return issue_time.decode(), issuer.decode()


def _in_order(attributes: bytes) -> bool:
    names = _NAME.findall(attributes)
    return len(names) == 1 or all(one < other for one, other in itertools.pairwise(names))


def _public_key_sha256(der: bytes, serial: bytes, validity_and_subject: bytes) -> bytes | None:
    """The hash of the SubjectPublicKeyInfo in a TBSCertificate that has the other values; None where it has not.

    They stand in this order: version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo.
    """
    at = _content(der, _content(der, 0))
    head = _VERSION_3 + _SERIAL_HEADER + bytes.fromhex(serial.decode())
    if not der.startswith(head, at):
        return None
    at = _end(der, _end(der, at + len(head)))
    if not der.startswith(validity_and_subject, at):
        return None
    at += len(validity_and_subject)
    return hashlib.sha256(der[at : _end(der, at)]).hexdigest().encode()


def _content(der: bytes, at: int) -> int:
    """Where the content of the element at `at` begins."""
    length = der[at + 1]
    return at + 2 if length < _LONG_FORM else at + 2 + (length & ~_LONG_FORM)


def _end(der: bytes, at: int) -> int:
    """Where the element at `at` ends."""
    length = der[at + 1]
    if length < _LONG_FORM:
        return at + 2 + length
    content = at + 2 + (length & ~_LONG_FORM)
    return content + int.from_bytes(der[at + 2 : content], "big")


def _validity(not_before: bytes, not_after: bytes) -> bytes:
    content = _time(not_before) + _time(not_after)
    return bytes((_SEQUENCE, len(content))) + content


def _time(text: bytes) -> bytes:
    """UTCTime or GeneralizedTime, by the year (RFC 5280, section 4.1.2.5)."""
    digits = text.translate(None, b"-T:")
    return b"\x17\x0d" + digits[2:] if b"1950" <= digits < b"2050" else b"\x18\x0f" + digits
