"""Canonical JSON against the reference implementation of RFC 8785 in Python."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from linecert.transparency.canonical import MAX_INTEGER, CanonicalJsonError, Json, canonical_json, parse_canonical_json

integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
values = st.recursive(
    st.none() | st.booleans() | integers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_encodes_as_the_reference_does(value: Json) -> None:
    """What can be encoded is encoded exactly as by the reference implementation."""
    assert canonical_json(value) == rfc8785.dumps(value)


@given(values)
def test_reads_back_what_it_wrote(value: Json) -> None:
    """The canonical form of a value is read as that value."""
    assert parse_canonical_json(canonical_json(value)) == json.loads(canonical_json(value))


def test_names_stand_in_utf16_order() -> None:
    """A name beyond the Basic Multilingual Plane sorts before U+FB33, as in RFC 8785, section 3.2.3."""
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2, "1": 3}) == '{"1":3,"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "value, message",
    [
        (1.0, "a float has no canonical form"),
        (float("nan"), "a float has no canonical form"),
        ({"a": b"bytes"}, "a bytes has no canonical form"),
        (2**53, "lose digits"),
        (-(2**53), "lose digits"),
        ({1: "a"}, "names of an object have to be strings"),
        ("\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Json, message: str) -> None:
    """Values on whose encoding two implementations could differ are refused."""
    with pytest.raises(CanonicalJsonError, match=message):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":9007199254740992}',
        b'{"a":NaN}',
        b'"\\u00e9"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"",
        b"{",
        b"[" * 100_000,
        b"[" * 500_000 + b"]" * 500_000,
        b"1" * 5000,
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    """Bytes that `canonical_json` would not have written do not pass for its output."""
    with pytest.raises(CanonicalJsonError):
        parse_canonical_json(data)
