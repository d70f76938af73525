"""Whatever comes in, a `DeviceCsr` or a refusal of INVALID_ARGUMENT goes out; no CSR that was changed is taken."""

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from linecert.contract import refusal
from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.encoding import MAX_SIZE
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import DeviceCsr
from support import csrs

CHECKER = CsrChecker()
SUBJECT = csrs.name(csrs.attribute("2.5.4.10", "Contoso"), csrs.common_name("device-01"))
ATTRIBUTES = csrs.tlv(csrs.ATTRIBUTES, csrs.extension_request())
SEEDS = tuple(
    csrs.make(key=csrs.key(key_type), subject=SUBJECT, attributes=ATTRIBUTES) for key_type in ("P-256", "RSA-2048")
)
EXPECTED = {seed: CHECKER.check(seed) for seed in SEEDS}

many = settings(deadline=None, max_examples=500)
some = settings(deadline=None, max_examples=100)


def judge(data: bytes) -> DeviceCsr | None:
    """What the checker says; None for a refusal, which must be a right one."""
    try:
        return CHECKER.check(data)
    except Refused as caught:
        error = caught
    assert refusal(error.reason).status_name == "INVALID_ARGUMENT"
    assert error.field == "csr"
    return None


def holds(seed: bytes, data: bytes) -> None:
    """A changed CSR is refused, unless what was signed is untouched: then it says the same of the same key."""
    csr = judge(data)
    if csr is None or data == seed:
        return
    expected = EXPECTED[seed]
    assert (csr.registration_id, csr.spki) == (expected.registration_id, expected.spki)
    assert csrs.info_of(data) == csrs.info_of(seed)


@st.composite
def elements(draw: st.DrawFn) -> bytes:
    """Bytes that look like DER: nested elements, some of them with a wrong length."""
    leaf = st.builds(csrs.tlv, st.sampled_from([1, 2, 3, 4, 5, 6, 12, 19, 30]), st.binary(max_size=80))
    tree = st.recursive(
        leaf,
        lambda children: st.builds(
            lambda tag, parts: csrs.tlv(tag, *parts),
            st.sampled_from([csrs.SEQUENCE, csrs.SET, csrs.ATTRIBUTES]),
            st.lists(children, max_size=4),
        ),
        max_leaves=12,
    )
    return draw(tree)


@given(st.binary(max_size=600))
@many
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """No bytes at random are a CSR."""
    assert judge(data) is None


@given(st.binary(max_size=400), st.sampled_from(["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "CERTIFICATE"]))
@many
def test_arbitrary_bytes_in_pem_are_refused(data: bytes, label: str) -> None:
    """Nor in a PEM block."""
    assert judge(csrs.pem(data, label=label)) is None


@given(st.text(max_size=400))
@many
def test_arbitrary_text_is_refused(text: str) -> None:
    """Nor any text."""
    assert judge(text.encode()) is None


@given(elements())
@some
def test_arbitrary_der_is_refused(data: bytes) -> None:
    """Nor well-formed DER."""
    assert judge(data) is None


@given(elements())
@some
def test_an_arbitrary_part_gives_a_right_reason(part: bytes) -> None:
    """Well-formed DER in the place of the subject, the key or the algorithm; in that of the attributes it may pass."""
    assert judge(csrs.make(subject=part)) is None
    assert judge(csrs.make(spki=part)) is None
    assert judge(csrs.make(signature_algorithm=part)) is None
    csr = judge(csrs.make(attributes=part))
    assert csr is None or csr.registration_id == "device-01"


@given(st.text(max_size=70))
@many
def test_a_common_name_is_taken_as_it_is_or_refused(text: str) -> None:
    """What comes out is what the CSR says, to the letter."""
    csr = judge(csrs.make(text.encode(errors="surrogatepass")))
    assert csr is None or csr.registration_id == text


@pytest.mark.parametrize("seed", SEEDS, ids=["P-256", "RSA-2048"])
def test_no_flipped_bit_passes(seed: bytes) -> None:
    """Every single bit of a CSR counts."""
    for bit in range(len(seed) * 8):
        changed = bytearray(seed)
        changed[bit // 8] ^= 1 << bit % 8
        assert judge(bytes(changed)) is None


@given(st.sampled_from(SEEDS), st.data())
@many
def test_no_other_octet_passes(seed: bytes, data: st.DataObject) -> None:
    """A few octets replaced, lengths and tags among them."""
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    holds(seed, bytes(changed))


@given(st.sampled_from(SEEDS), st.data())
@many
def test_no_insertion_or_cut_passes(seed: bytes, data: st.DataObject) -> None:
    """Octets put in, taken out or repeated at any place."""
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 40)))
    middle = data.draw(st.one_of(st.binary(max_size=40), st.just(seed[start:end] * 2)))
    holds(seed, seed[:start] + middle + seed[end:])


@given(st.sampled_from(SEEDS), st.data())
@many
def test_no_changed_length_passes(seed: bytes, data: st.DataObject) -> None:
    """Each octet that may be a length, set to one that is short, long, indefinite or absurd."""
    place = data.draw(st.integers(1, len(seed) - 1))
    length = data.draw(st.sampled_from([b"\0", b"\x7f", b"\x80", b"\x81\x01", b"\x84\xff\xff\xff\xff", b"\xff"]))
    holds(seed, seed[:place] + length + seed[place + 1 :])


@given(st.sampled_from(SEEDS), st.data())
@many
def test_a_pem_block_with_a_changed_character_is_no_other_csr(seed: bytes, data: st.DataObject) -> None:
    """What PEM does not care about (white space, the last line's spare bits) changes nothing in what is taken."""
    text = bytearray(csrs.pem(seed))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    csr = judge(bytes(text))
    assert csr is None or csr == EXPECTED[seed]


@pytest.mark.parametrize("unit", [b"\x30\x80", b"\xa0\x80", b"\x30\x82\x3f\xff", b"\x24\x80", b"\x31\x02"])
def test_nesting_as_deep_as_the_size_allows_is_refused(unit: bytes) -> None:
    """In the subject, the attributes and the key: nothing recurses."""
    nested = (unit * MAX_SIZE)[: MAX_SIZE - 400]
    assert judge(nested) is None
    signature = csrs.bit_string(b"\1" * 70)
    for parts in (
        {"subject": csrs.tlv(csrs.SEQUENCE, nested)},
        {"attributes": csrs.tlv(csrs.ATTRIBUTES, nested)},
        {"spki": csrs.tlv(csrs.SEQUENCE, nested)},
    ):
        assert judge(csrs.make(**parts, signature=signature)) is None


def test_nesting_inside_a_dropped_attribute_is_dropped() -> None:
    """The value of an attribute is never opened, however deep it is."""
    nested = csrs.integer(1)
    while len(nested) < MAX_SIZE - 500:
        nested = csrs.tlv(csrs.SEQUENCE, nested)
    attribute = csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3.4"), csrs.tlv(csrs.SET, nested))
    der = csrs.make(attributes=csrs.tlv(csrs.ATTRIBUTES, attribute))
    assert x509.load_der_x509_csr(der).is_signature_valid
    assert judge(der) is not None
