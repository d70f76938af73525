"""The quick look at leaves never says yes where the thorough one says no."""

import hashlib
import json
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from linecert.transparency import LeafError, canonical_json, check_leaf_against_certificate, parse_leaf
from linecert_client.audit import quick
from support.ledger import certificate_entry

_LEAF, _CERTIFICATE = certificate_entry("device-1", lot="L1", attributes='{"a":"1","b":"2"}')
_FIELDS = json.loads(_LEAF)
_DIGITS = str.maketrans("", "", "-T:")

_VALUES = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.none(),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
    st.sampled_from([*_FIELDS.values(), "0" * 64, "0" * 40, "2026-13-01T00:00:00Z", "1926-01-31T06:00:00Z"]),
)


def thorough(leaf: bytes, certificate: bytes) -> bool:
    """What the contract's own functions say."""
    try:
        check_leaf_against_certificate(parse_leaf(leaf), certificate)
    except LeafError:
        return False
    return True


def test_it_knows_what_the_service_issues() -> None:
    """A usual leaf takes no closer look, or the speed would be gone."""
    assert quick.agrees(_LEAF, _CERTIFICATE) == (_FIELDS["issue_time"], _FIELDS["issuer_certificate_sha256"])
    assert thorough(_LEAF, _CERTIFICATE)


@pytest.mark.parametrize("text", ["Größe", 'a"b', "a\\b", "\x7f"])
def test_what_it_does_not_know_is_left_to_the_thorough_look(text: str) -> None:
    """Texts beyond plain ASCII are not judged quickly, and are fine nevertheless."""
    leaf, certificate = certificate_entry("device-1", lot=text)
    assert quick.agrees(leaf, certificate) is None
    assert thorough(leaf, certificate)


@given(field=st.sampled_from([*_FIELDS, "replacement_reason", "replaces_serial_number", "more"]), value=_VALUES)
def test_no_leaf_passes_that_the_thorough_look_refuses(field: str, value: Any) -> None:
    """With any one field changed, added or emptied, a quick yes is a thorough yes."""
    leaf = json.dumps(_FIELDS | {field: value}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    try:
        encoded = leaf.encode()
    except UnicodeEncodeError:
        return
    assert thorough(encoded, _CERTIFICATE) or quick.agrees(encoded, _CERTIFICATE) is None


@given(position=st.integers(0, len(_LEAF) - 1), byte=st.integers(0, 255))
def test_no_leaf_passes_with_a_byte_changed(position: int, byte: int) -> None:
    """Any byte of a leaf changed: a quick yes is a thorough yes."""
    leaf = _LEAF[:position] + bytes((byte,)) + _LEAF[position + 1 :]
    assert thorough(leaf, _CERTIFICATE) or quick.agrees(leaf, _CERTIFICATE) is None


@pytest.mark.parametrize("year", ["0000", "0999", "1949", "1950", "2049", "2050", "9999"])
@pytest.mark.parametrize("day", ["-02-28T23:59:59Z", "-02-30T00:00:00Z", "-13-01T00:00:00Z", "-01-01T24:00:00Z"])
def test_no_date_passes_that_the_thorough_look_refuses(year: str, day: str) -> None:
    """Leaf and certificate with the same end, in either form of a time: a quick yes is a thorough yes."""
    date = year + day
    for tag, text in ((b"\x17\x0d", date[2:]), (b"\x18\x0f", date)):
        time = tag + text.translate(_DIGITS).encode()
        certificate = with_end(_CERTIFICATE, time)
        digest = hashlib.sha256(certificate).hexdigest()
        leaf = canonical_json(_FIELDS | {"not_after": date, "certificate_sha256": digest})
        assert thorough(leaf, certificate) or quick.agrees(leaf, certificate) is None


@pytest.mark.parametrize(
    "date, time",
    [("2049-12-31T23:59:59Z", b"\x17\x0d491231235959Z"), ("9999-12-31T23:59:59Z", b"\x18\x0f99991231235959Z")],
)
def test_either_form_of_a_time_is_known(date: str, time: bytes) -> None:
    """Certificates that end in this century, and those that never do, take no closer look."""
    certificate = with_end(_CERTIFICATE, time)
    digest = hashlib.sha256(certificate).hexdigest()
    leaf = canonical_json(_FIELDS | {"not_after": date, "certificate_sha256": digest})
    assert quick.agrees(leaf, certificate) is not None
    assert thorough(leaf, certificate)


def with_end(certificate: bytes, time: bytes) -> bytes:
    """The certificate with another notAfter, a whole DER element; it is not signed anew."""
    parsed = x509.load_der_x509_certificate(certificate)
    old = b"\x17\x0d" + parsed.not_valid_after_utc.strftime("%y%m%d%H%M%SZ").encode()
    begin = b"\x17\x0d" + parsed.not_valid_before_utc.strftime("%y%m%d%H%M%SZ").encode()
    validity = bytes((0x30, len(begin + old))) + begin + old
    made = certificate.replace(validity, bytes((0x30, len(begin + time))) + begin + time)
    inner = _content(made, 0)
    more = len(made) - len(certificate)
    return _longer(_longer(made, inner, more), 0, more)


def _content(der: bytes, at: int) -> int:
    """Where the content begins of an element of 128 octets or more."""
    return at + 2 + (der[at + 1] & 0x7F)


def _longer(der: bytes, at: int, more: int) -> bytes:
    """With so many octets more in the length of the element at `at`, which keeps the size of its own."""
    begin, end = at + 2, _content(der, at)
    return der[:begin] + (int.from_bytes(der[begin:end], "big") + more).to_bytes(end - begin, "big") + der[end:]


# Some changes make a serial number that is not positive, which the library still reads, with a warning.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(position=st.integers(0, len(_CERTIFICATE) - 1), byte=st.integers(0, 255))
def test_no_certificate_passes_with_a_byte_changed(position: int, byte: int) -> None:
    """Any byte of a certificate changed, and its hash in the leaf with it: a quick yes is a thorough yes."""
    certificate = _CERTIFICATE[:position] + bytes((byte,)) + _CERTIFICATE[position + 1 :]
    leaf = canonical_json(_FIELDS | {"certificate_sha256": hashlib.sha256(certificate).hexdigest()})
    assert thorough(leaf, certificate) or quick.agrees(leaf, certificate) is None


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 100, -1])
def test_a_certificate_cut_short(cut: int) -> None:
    """A certificate that ends early is no crash."""
    certificate = _CERTIFICATE[:cut]
    leaf = canonical_json(_FIELDS | {"certificate_sha256": hashlib.sha256(certificate).hexdigest()})
    assert quick.agrees(leaf, certificate) is None


@pytest.mark.parametrize("attributes", ['{"b":"1","a":"2"}', '{"a":"1","a":"2"}', "{}"])
def test_attributes_out_of_order(attributes: str) -> None:
    """Attributes that are not in the order of RFC 8785, or stand twice, are not canonical."""
    leaf = _LEAF.replace(b'{"a":"1","b":"2"}', attributes.encode())
    assert quick.agrees(leaf, _CERTIFICATE) is None
    assert not thorough(leaf, _CERTIFICATE)
