"""RFC 8785 (JSON Canonicalization Scheme) for the JSON that linecert hashes: no fractions."""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Final

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that a double holds without doubt (RFC 7493, section 2.2)."""

quote: Final = encode_basestring
"""Encodes a string: it escapes what RFC 8785, section 3.2.2.2 has escaped, and nothing else."""

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class CanonicalJsonError(ValueError):
    """The value has no canonical form, or the text is not canonical."""


def canonical_json(value: Json) -> bytes:
    """The one encoding of `value`: no white space, members in the order of their UTF-16 names, UTF-8.

    Raises:
        CanonicalJsonError: for a float, an integer beyond MAX_INTEGER, a name that is no string, a lone surrogate, or
            any other type.
    """
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise CanonicalJsonError("a string holds a lone surrogate, which UTF-8 cannot carry") from None


def parse_canonical_json(data: bytes) -> Any:
    """Read JSON that `canonical_json` could have written.

    Raises:
        CanonicalJsonError: it could not: the same content has another encoding, or none.
    """
    try:
        value = json.loads(data.decode())
        encoded = canonical_json(value)
    except RecursionError:
        raise CanonicalJsonError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise CanonicalJsonError("no JSON of the kind that linecert writes") from error
    if encoded != data:
        raise CanonicalJsonError("JSON that is not in the canonical form of RFC 8785")
    return value


def _encode(value: Json) -> str:
    match value:
        case str():
            return quote(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case Mapping():
            return "{" + ",".join([f"{quote(name)}:{_encode(value[name])}" for name in _sorted(value)]) + "}"
        case list() | tuple():
            return "[" + ",".join([_encode(item) for item in value]) + "]"
    raise CanonicalJsonError(f"a {type(value).__name__} has no canonical form here")


def _integer(value: int) -> str:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise CanonicalJsonError(f"integers beyond {MAX_INTEGER} lose digits in JSON; write them as strings")
    return str(value)


def _sorted(value: Mapping[str, Json]) -> list[str]:
    try:
        ascii_only = "".join(value).isascii()
    except TypeError:
        raise CanonicalJsonError("the names of an object have to be strings") from None
    # By UTF-16 code units: beyond the Basic Multilingual Plane that is another order than Python's, by code points.
    return sorted(value, key=None if ascii_only else _utf16)


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")
