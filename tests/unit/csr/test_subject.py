"""The registration ID is the one common name of the subject, by the grammar of DPS."""

from collections.abc import Callable

import pytest

from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.subject import registration_id_of
from linecert_service.domain.errors import Refused
from support import csrs

Refusal = Callable[[bytes], str]

SERIAL_NUMBER = csrs.attribute("2.5.4.5", "0001", csrs.PRINTABLE_STRING)
ORGANIZATION = csrs.attribute("2.5.4.10", "Contoso")
EMAIL = csrs.attribute("1.2.840.113549.1.9.1", "a@example.com", csrs.IA5_STRING)
NAME = csrs.common_name("device-01")


@pytest.mark.parametrize(
    "registration_id",
    ["a", "Z", "7", "-", "device-01", "urn:dev:mac:0024befffe804ff1", "A.b.C:d-E", ".-:-", "x" * 64, "--", ":0"],
)
@pytest.mark.parametrize("tag", [csrs.UTF8_STRING, csrs.PRINTABLE_STRING], ids=["UTF8String", "PrintableString"])
def test_a_registration_id_is_taken_in_its_own_case(registration_id: str, tag: int, checker: CsrChecker) -> None:
    """Every character that both string types can hold, up to 64 of them."""
    data = csrs.make(subject=csrs.name(csrs.common_name(registration_id, tag)))
    assert checker.check(data).registration_id == registration_id


@pytest.mark.parametrize("registration_id", ["device_01", "_0", "A_b.C:d-E"])
def test_an_underscore_is_taken_in_a_utf8_string(registration_id: str, checker: CsrChecker) -> None:
    """The one character of the grammar that a PrintableString cannot hold."""
    assert checker.check(csrs.make(registration_id)).registration_id == registration_id


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 65, id="65 characters"),
        pytest.param("x" * 4096, id="4,096 characters"),
        pytest.param("device-01.", id="final dot"),
        pytest.param("device-01_", id="final underscore"),
        pytest.param("device-01:", id="final colon"),
        pytest.param("device-01\n", id="final newline"),
        pytest.param("device-01\0", id="final NUL"),
        pytest.param("device\x0001", id="NUL"),
        pytest.param("\0", id="only NUL"),
        pytest.param(" device-01", id="space before"),
        pytest.param("device-01 ", id="space after"),
        pytest.param("device 01", id="space"),
        pytest.param("device/01", id="slash"),
        pytest.param("device\\01", id="backslash"),
        pytest.param("device*", id="star"),
        pytest.param("device@01", id="at"),
        pytest.param("device+01", id="plus"),
        pytest.param("d%20", id="percent"),
        pytest.param("\N{KELVIN SIGN}elvin", id="Kelvin sign"),
        pytest.param("dev\u0131ce-01", id="dotless i"),
        pytest.param("dévice", id="e with acute"),
        pytest.param("device-\u0660\u0661", id="Arabic digits"),
        pytest.param("\uff44evice-01", id="full width"),
        pytest.param("device\u200b01", id="zero width space"),
        pytest.param("device\u202e01", id="right-to-left override"),
        pytest.param("\ufeffdevice-01", id="byte order mark"),
        pytest.param("device\u201001", id="hyphen that is none"),
        pytest.param("\U0001f4a9", id="beyond the basic plane"),
    ],
)
def test_a_text_that_is_no_registration_id_is_refused(text: str, refused: Refusal) -> None:
    """Each of these is signed rightly, as UTF8String."""
    assert refused(csrs.make(text)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "octets", [b"device\xff", b"\xc1\x81", b"\xed\xa0\x80", b"device-01\xc3", b"\xf8\x88\x80\x80\x80"]
)
def test_what_is_no_utf_8_is_refused(octets: bytes, refused: Refusal) -> None:
    """Among it an overlong A and a lone surrogate."""
    assert refused(csrs.make(octets)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "tag, content",
    [
        pytest.param(csrs.BMP_STRING, "device-01".encode("utf-16-be"), id="BMPString"),
        pytest.param(csrs.BMP_STRING, b"odd", id="BMPString of odd length"),
        pytest.param(csrs.UNIVERSAL_STRING, "device-01".encode("utf-32-be"), id="UniversalString"),
        pytest.param(csrs.TELETEX_STRING, b"device-01", id="TeletexString"),
        pytest.param(csrs.IA5_STRING, b"device-01", id="IA5String"),
        pytest.param(csrs.OCTET_STRING, b"device-01", id="OCTET STRING"),
        pytest.param(csrs.BIT_STRING, b"\0device-01", id="BIT STRING"),
        pytest.param(csrs.INTEGER, b"\1", id="INTEGER"),
        pytest.param(csrs.SEQUENCE, b"", id="SEQUENCE"),
        pytest.param(0x2C, csrs.tlv(csrs.UTF8_STRING, b"device-01"), id="constructed UTF8String"),
        pytest.param(0x8C, b"device-01", id="context-specific"),
        pytest.param(0x12, b"1234", id="NumericString"),
        pytest.param(0x1A, b"device-01", id="VisibleString"),
    ],
)
def test_a_common_name_of_another_type_is_refused(tag: int, content: bytes, refused: Refusal) -> None:
    """The library gives text for some of these; the tag decides."""
    assert refused(csrs.make(subject=csrs.name(csrs.common_name(content, tag)))) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize("text", ["device_01", "device@01", "dévice"])
def test_a_printable_string_of_what_it_cannot_hold_is_refused(text: str, refused: Refusal) -> None:
    """The library would call the whole CSR unreadable; the common name is to blame, and the reason says so."""
    subject = csrs.name(csrs.common_name(text, csrs.PRINTABLE_STRING))
    assert refused(csrs.make(subject=subject)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(csrs.name(), id="empty"),
        pytest.param(csrs.name(ORGANIZATION), id="organization only"),
        pytest.param(csrs.name(csrs.attribute("2.5.4.5", "device-01")), id="serial number only"),
        pytest.param(csrs.name(csrs.attribute("2.5.4.3.1", "device-01")), id="below the common name"),
    ],
)
def test_a_subject_without_a_common_name_is_refused(subject: bytes, refused: Refusal) -> None:
    """Nothing else stands in for it."""
    assert refused(csrs.make(subject=subject)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(csrs.name(NAME, csrs.common_name("device-02")), id="in two RDNs"),
        pytest.param(csrs.name(NAME, NAME), id="the same twice"),
        pytest.param(csrs.name([NAME, csrs.common_name("device-02")]), id="in one RDN"),
        pytest.param(csrs.name(NAME, [SERIAL_NUMBER, csrs.common_name("device-02")]), id="one of them multi-valued"),
        pytest.param(csrs.name(NAME, csrs.common_name(b"x", csrs.OCTET_STRING)), id="one of them no text"),
        pytest.param(csrs.name(*[NAME] * 400), id="hundreds"),
    ],
)
def test_a_subject_with_two_common_names_is_refused(subject: bytes, refused: Refusal) -> None:
    """Wherever they stand."""
    assert refused(csrs.make(subject=subject)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(csrs.name(ORGANIZATION, NAME), id="before"),
        pytest.param(csrs.name(NAME, EMAIL), id="after"),
        pytest.param(csrs.name([SERIAL_NUMBER, NAME]), id="in the same RDN"),
        pytest.param(csrs.name([ORGANIZATION, SERIAL_NUMBER], NAME), id="multi-valued RDN"),
        pytest.param(csrs.name(*[ORGANIZATION] * 300, NAME), id="hundreds"),
        pytest.param(csrs.name(csrs.attribute("1.2.3.4", b"\0\1", csrs.OCTET_STRING), NAME), id="unknown one"),
        pytest.param(csrs.name(csrs.attribute("2.5.4.10", b"\xff"), NAME), id="no UTF-8"),
        pytest.param(csrs.name(csrs.attribute("2.5.4.6", "much too long"), NAME), id="country of 13 letters"),
    ],
)
def test_other_attributes_are_dropped(subject: bytes, checker: CsrChecker) -> None:
    """Whatever they say, and were it nonsense: only the common name is taken."""
    assert checker.check(csrs.make(subject=subject)).registration_id == "device-01"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SET)), id="empty RDN"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SET, NAME), csrs.tlv(csrs.SET)), id="empty RDN after"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, NAME), id="attribute without RDN"),
        pytest.param(csrs.name(csrs.tlv(csrs.SEQUENCE)), id="empty attribute"),
        pytest.param(csrs.name(csrs.tlv(csrs.SEQUENCE, csrs.oid("2.5.4.3"))), id="no value"),
        pytest.param(csrs.name(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.UTF8_STRING, b"device-01"))), id="no type"),
        pytest.param(
            csrs.name(csrs.tlv(csrs.SEQUENCE, csrs.oid("2.5.4.3"), *[csrs.tlv(csrs.UTF8_STRING, b"a")] * 2)),
            id="two values",
        ),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SET, b"\x30\x7f")), id="cut off"),
        pytest.param(csrs.name(csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3"), b"\x1f\x81\x01\x00"), NAME), id="long tag"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SET, NAME, ORGANIZATION[:-1])), id="short sibling"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SET, NAME, ORGANIZATION)), id="SET in the wrong order"),
        pytest.param(
            csrs.name(csrs.tlv(csrs.SEQUENCE, csrs.tlv(6, b"\x55\x80\x04\x03"), csrs.tlv(12, b"x")), NAME),
            id="type that is not minimal",
        ),
    ],
)
def test_a_subject_that_is_no_name_is_refused(subject: bytes, refused: Refusal) -> None:
    """RFC 5280, section 4.1.2.4, in DER."""
    assert refused(csrs.make(subject=subject)) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "subject, words",
    [
        (csrs.name(), "has no common name"),
        (csrs.name(NAME, NAME), "more than one common name"),
        (csrs.name(csrs.common_name("a", csrs.IA5_STRING)), "neither a UTF8String nor a PrintableString"),
        (csrs.name(csrs.common_name("a_b", csrs.PRINTABLE_STRING)), "PrintableString with '_'"),
        (csrs.name(csrs.common_name("é" * 65)), "it has 65 characters, at most 64"),
        (csrs.name(csrs.common_name("a.")), "its last character"),
    ],
)
def test_the_refusal_says_which_rule_was_broken(subject: bytes, words: str) -> None:
    """In words that help on the line."""
    with pytest.raises(Refused, match=words):
        registration_id_of(subject)
