"""The frame of a CSR is that of RFC 2986, in DER, and complete."""

from collections.abc import Callable

import pytest

from linecert_service.csr.checker import CsrChecker
from support import csrs

Refusal = Callable[[bytes], str]

ONE_ATTRIBUTE = csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3.4"), csrs.tlv(csrs.SET, csrs.integer(1)))


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(csrs.integer(1), id="1"),
        pytest.param(csrs.integer(2), id="2"),
        pytest.param(csrs.integer(-1), id="-1"),
        pytest.param(csrs.integer(1 << 64), id="huge"),
        pytest.param(csrs.tlv(csrs.INTEGER), id="empty"),
        pytest.param(csrs.tlv(csrs.INTEGER, b"\0\0"), id="padded"),
        pytest.param(b"", id="absent"),
        pytest.param(csrs.tlv(csrs.OCTET_STRING, b"\0"), id="no INTEGER"),
    ],
)
def test_another_version_is_refused(version: bytes, refused: Refusal) -> None:
    """Only version 1, which is written as 0."""
    assert refused(csrs.make(version=version)) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(b"", id="absent"),
        pytest.param(csrs.tlv(csrs.SET), id="SET instead of [0]"),
        pytest.param(csrs.tlv(csrs.ATTRIBUTES) + csrs.integer(0), id="something after them"),
        pytest.param(csrs.tlv(csrs.ATTRIBUTES, b"\x30\x05"), id="cut off"),
        pytest.param(csrs.tlv(csrs.ATTRIBUTES, csrs.integer(1)), id="an INTEGER"),
        pytest.param(csrs.tlv(csrs.ATTRIBUTES, csrs.tlv(csrs.SEQUENCE)), id="an empty attribute"),
        pytest.param(csrs.tlv(csrs.ATTRIBUTES, csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3"))), id="no values"),
        pytest.param(b"\xa0\x80\0\0", id="indefinite length"),
    ],
)
def test_broken_attributes_are_refused(attributes: bytes, refused: Refusal) -> None:
    """What is dropped must be well-formed all the same."""
    assert refused(csrs.make(attributes=attributes)) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(ONE_ATTRIBUTE, id="one"),
        pytest.param(ONE_ATTRIBUTE * 2, id="the same twice"),
        pytest.param(csrs.extension_request(), id="a request to be a CA"),
        pytest.param(csrs.extension_request() * 2, id="two extension requests"),
        pytest.param(
            csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.840.113549.1.9.14"), csrs.tlv(csrs.SET, csrs.integer(7))),
            id="an extension request that is none",
        ),
    ],
)
def test_well_formed_attributes_are_dropped(attributes: bytes, checker: CsrChecker) -> None:
    """Whatever they ask for, and were it nonsense."""
    data = csrs.make(attributes=csrs.tlv(csrs.ATTRIBUTES, attributes))
    assert checker.check(data).registration_id == "device-01"


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(csrs.tlv(csrs.BIT_STRING), id="empty"),
        pytest.param(csrs.bit_string(b"\x10" * 70, unused=4), id="unused bits"),
        pytest.param(csrs.bit_string(b"\x10" * 70, unused=8), id="eight unused bits"),
        pytest.param(csrs.tlv(csrs.OCTET_STRING, b"\0" * 70), id="OCTET STRING"),
        pytest.param(b"", id="absent"),
        pytest.param(csrs.bit_string(b"\0" * 70) + csrs.integer(0), id="something after it"),
    ],
)
def test_a_signature_that_is_no_bit_string_is_refused(signature: bytes, refused: Refusal) -> None:
    """A BIT STRING of whole octets, the last part of the CSR."""
    assert refused(csrs.make(signature=signature)) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(csrs.tlv(csrs.SEQUENCE, b"\x30\x00" * 70), id="empty parts"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.OCTET_STRING, b"x" * 200)), id="an OCTET STRING"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SEQUENCE, b"x" * 200)), id="a part of garbage"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, b"\x1f" * 200), id="tags of several octets"),
        pytest.param(csrs.make(info=csrs.tlv(csrs.SEQUENCE)), id="nothing signed"),
        pytest.param(csrs.make(spki=b""), id="no key"),
        pytest.param(csrs.make(subject=b""), id="no subject"),
    ],
)
def test_another_structure_is_refused(data: bytes, refused: Refusal) -> None:
    """SEQUENCEs that are no CSR."""
    assert refused(data) == "CSR_MALFORMED"
