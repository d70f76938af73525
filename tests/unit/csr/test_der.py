"""The DER reader takes strict DER and nothing else."""

import pytest

from linecert_service.csr.der import SEQUENCE, DerError, Reader, content_bounds, object_identifier
from support import csrs

OCTETS = csrs.OCTET_STRING


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535])
def test_each_minimal_length_is_read(size: int) -> None:
    """Lengths of one, two and three octets give back the content that was put in."""
    reader = Reader(csrs.tlv(OCTETS, b"x" * size))
    assert reader.content(OCTETS) == b"x" * size
    assert reader.at_end()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x04", id="no length"),
        pytest.param(b"\x04\x81", id="half a length of two octets"),
        pytest.param(b"\x04\x82\x01", id="half a length of three octets"),
        pytest.param(b"\x04\x80\x00\x00", id="indefinite"),
        pytest.param(b"\x04\x81\x7f" + b"x" * 127, id="long form of a short length"),
        pytest.param(b"\x04\x82\x00\xff" + b"x" * 255, id="leading zero"),
        pytest.param(b"\x04\x83\x01\x00\x00" + b"x" * 65536, id="more than two octets of length"),
        pytest.param(b"\x04\x84\xff\xff\xff\xff", id="four gigabytes"),
        pytest.param(b"\x04\xff", id="reserved length"),
        pytest.param(b"\x04\x03xx", id="cut off"),
        pytest.param(b"\x05\x00", id="another tag"),
    ],
)
def test_what_is_not_der_is_an_error(data: bytes) -> None:
    """Each way to break a tag or a length is a DerError, never an IndexError or a short read."""
    with pytest.raises(DerError):
        Reader(data).content(OCTETS)


def test_an_element_longer_than_its_parent_is_an_error() -> None:
    """A child cannot reach beyond what holds it, although the bytes are there."""
    parent = Reader(bytes((SEQUENCE, 2, OCTETS, 5)) + b"12345")
    with pytest.raises(DerError):
        Reader(parent.content(SEQUENCE)).content(OCTETS)


def test_the_tag_of_nothing_and_of_several_octets_is_an_error() -> None:
    """A tag is one octet."""
    for data in (b"", b"\x1f\x81\x01\x00", b"\xbf\x20\x00"):
        with pytest.raises(DerError):
            Reader(data).tag()


def test_what_follows_the_last_element_is_an_error() -> None:
    """`finish` holds only at the end."""
    reader = Reader(csrs.tlv(OCTETS) * 2)
    assert reader.element(OCTETS) == b"\x04\x00"
    with pytest.raises(DerError):
        reader.finish()
    assert reader.content(OCTETS) == b""
    reader.finish()


def test_a_stated_length_may_be_looked_at_before_the_bytes_are_there() -> None:
    """`content_bounds` says how long an element wants to be."""
    assert content_bounds(b"\x30\x82\x01\x00", 0) == (4, 260)


@pytest.mark.parametrize(
    "dotted, octets",
    [
        ("2.5.4.3", "550403"),
        ("1.2.840.113549.1.1.11", "2a864886f70d01010b"),
        ("2.999.3", "883703"),
        ("1.3.101.112", "2b6570"),
    ],
)
def test_object_identifiers_are_written_as_the_standard_does(dotted: str, octets: str) -> None:
    """X.690, section 8.19, among them its own example 2.999.3."""
    assert object_identifier(dotted).hex() == octets
