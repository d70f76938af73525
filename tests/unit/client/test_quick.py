"""The quick look at leaves never says yes where the thorough one says no."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert.transparency import LeafError, canonical_json, check_leaf_against_certificate, parse_leaf
from linecert_client.audit import quick
from support.ledger import certificate_entry

_LEAF, _CERTIFICATE = certificate_entry("device-1", lot="L1", attributes='{"a":"1","b":"2"}')
_FIELDS = json.loads(_LEAF)

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
