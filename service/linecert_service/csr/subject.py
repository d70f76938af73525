"""The registration ID of a CSR: the one common name of its subject. Everything else in the subject is dropped.

The common name may stand in an RDN of its own or of several values; there must be one in the whole subject.
"""

from collections.abc import Iterator
from typing import Final

from linecert import registration_id
from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.der import (
    OBJECT_IDENTIFIER,
    PRINTABLE_STRING,
    SEQUENCE,
    SET,
    UTF8_STRING,
    DerError,
    Reader,
)
from linecert_service.csr.object_identifiers import COMMON_NAME
from linecert_service.csr.refusals import refused
from linecert_service.domain.errors import Refused

_ONE_NAME: Final = "make the CSR with one, the device's registration ID, as `openssl req -subj /CN=ID` does"


def registration_id_of(subject: bytes) -> str:
    """The registration ID that a Name asks for, in its own case.

    Raises:
        Refused: REGISTRATION_ID_INVALID, or CSR_MALFORMED when this is no Name.
    """
    try:
        names = list(_common_names(subject))
    except DerError:
        raise refused(
            reasons.ERROR_REASON_CSR_MALFORMED, "the CSR's subject is no Name of RFC 5280 in DER: make the CSR again"
        ) from None
    if len(names) != 1:
        raise _invalid(f"the CSR's subject has {'more than one' if names else 'no'} common name: {_ONE_NAME}")
    return _check(*names[0])


def _common_names(subject: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of every common name."""
    name = Reader(Reader(subject).content(SEQUENCE))
    while not name.at_end():
        rdn = Reader(name.content(SET))
        while True:
            attribute = Reader(rdn.content(SEQUENCE))
            identifier = attribute.content(OBJECT_IDENTIFIER)
            tag = attribute.tag()
            value = attribute.content(tag)
            attribute.finish()
            if identifier == COMMON_NAME:
                yield tag, value
            if rdn.at_end():
                break


def _check(tag: int, value: bytes) -> str:
    if tag not in {UTF8_STRING, PRINTABLE_STRING}:
        raise _invalid("the CSR's common name is neither a UTF8String nor a PrintableString: encode it as UTF8String")
    if tag == PRINTABLE_STRING and b"_" in value:
        raise _invalid(
            "the CSR's common name is a PrintableString with '_', which that type cannot hold (X.680): encode it as"
            " UTF8String"
        )
    try:
        # What is not UTF-8 becomes U+FFFD, which no registration ID holds.
        return registration_id.check(value.decode(errors="replace"))
    except registration_id.RegistrationIdError as error:
        raise _invalid(
            f"the CSR's common name is no registration ID: {error}; name the device by the rules of Azure DPS"
        ) from None


def _invalid(message: str) -> Refused:
    return refused(reasons.ERROR_REASON_REGISTRATION_ID_INVALID, message)
