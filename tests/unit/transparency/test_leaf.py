"""Leaves against frozen goldens, and read back."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from linecert.transparency import LeafError, certificate_leaf, event_leaf, leaf_hash, parse_leaf

GOLDENS = sorted((Path(__file__).parent / "goldens").glob("*.json"))
OCTETS = {"serial", "replaces"} | {f"{name}_sha256" for name in ("request", "issuer", "csr", "spki", "certificate")}

text = st.text(min_size=1)
optional_text = st.none() | text
sha256 = st.binary(min_size=32, max_size=32)
serial = st.binary(min_size=20, max_size=20)
seconds = st.integers(0, 253402300799)
certificates = st.fixed_dictionaries(
    {
        "serial": serial,
        "registration_id": text,
        "generation": st.integers(1, 2**31 - 1),
        "replacement_reason": optional_text,
        "replaces": st.none() | serial,
        "station": text,
        "line": text,
        "request_id": text,
        "request_sha256": sha256,
        "work_order": optional_text,
        "lot": optional_text,
        "profile": text,
        "attributes": st.none() | st.dictionaries(st.text(), st.text()).map(json.dumps),
        "issuer_sha256": sha256,
        "not_before": seconds,
        "not_after": seconds,
        "issued_at": seconds.map(lambda value: value * 1_000_000 + value % 1_000_000),
        "csr_sha256": sha256,
        "spki_sha256": sha256,
        "certificate_sha256": sha256,
    }
)


def golden(name: str) -> dict[str, Any]:
    """The golden of this name."""
    content: dict[str, Any] = json.loads((GOLDENS[0].parent / f"{name}.json").read_text(encoding="utf-8"))
    return content


def leaf_of(arguments: dict[str, Any]) -> bytes:
    """The leaf with the arguments as a golden has them, octets in hex."""
    values: dict[str, Any] = {
        name: bytes.fromhex(value) if name in OCTETS and value else value for name, value in arguments.items()
    }
    return event_leaf(**values) if "kind" in values else certificate_leaf(**values)


def fields_of(name: str, **changes: object) -> bytes:
    """A golden's leaf with some fields changed (or, with None, left out), in canonical form."""
    fields = json.loads(golden(name)["leaf"]) | changes
    return rfc8785.dumps({key: value for key, value in fields.items() if value is not None})


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_leaves_are_frozen(path: Path) -> None:
    """A leaf has, octet for octet, the form in which leaves of its type are in logs already."""
    expected = golden(path.stem)
    leaf = leaf_of(expected["arguments"])
    assert leaf.decode() == expected["leaf"]
    assert leaf_hash(leaf).hex() == expected["hash"]


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_goldens_are_read_back(path: Path) -> None:
    """A verifier accepts every leaf that the service writes."""
    leaf = golden(path.stem)["leaf"]
    assert parse_leaf(leaf.encode()) == json.loads(leaf)


@given(certificates)
def test_any_certificate_leaf_is_canonical(arguments: dict[str, Any]) -> None:
    """Whatever stands in its fields, a leaf is RFC 8785 JSON and a verifier reads it back."""
    leaf = certificate_leaf(**arguments)
    assert rfc8785.dumps(json.loads(leaf)) == leaf
    assert parse_leaf(leaf)["registration_id"] == arguments["registration_id"]


def test_what_is_no_unicode_is_refused() -> None:
    """A lone surrogate, which UTF-8 cannot carry, makes no leaf."""
    with pytest.raises(ValueError, match="surrogates"):
        leaf_of(golden("certificate-minimal")["arguments"] | {"lot": "\ud800"})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"type": "certificate/2"}, "none of the types"),
        ({"type": 1}, "none of the types"),
        ({"type": None}, "none of the types"),
        ({"station": None, "line": None}, "without station, line"),
        ({"log_index": 1}, "a field that the type does not have"),
        ({"actor": "planner-01"}, "a field that the type does not have"),
        ({"serial_number": "4F" * 20}, "whose serial_number has not the form"),
        ({"serial_number": "4f" * 19}, "whose serial_number has not the form"),
        ({"csr_sha256": "00" * 31}, "whose csr_sha256 has not the form"),
        ({"generation": 0}, "whose generation has not the form"),
        ({"generation": True}, "whose generation has not the form"),
        ({"generation": "1"}, "whose generation has not the form"),
        ({"lot": ""}, "whose lot has not the form"),
        ({"attributes": {}}, "whose attributes has not the form"),
        ({"attributes": {"a": 1}}, "whose attributes has not the form"),
        ({"attributes": "a"}, "whose attributes has not the form"),
        ({"not_before": "2026-07-01T00:00:00.000000Z"}, "whose not_before has not the form"),
        ({"issue_time": "2026-07-01T00:05:00Z"}, "whose issue_time has not the form"),
        ({"issue_time": "2026-07-01T00:05:00.123+00:00"}, "whose issue_time has not the form"),
    ],
)
def test_leaves_of_another_form_are_refused(changes: dict[str, object], message: str) -> None:
    """A canonical JSON object that is no leaf of a known type is not read as one."""
    with pytest.raises(LeafError, match=message):
        parse_leaf(fields_of("certificate-full", **changes))


def test_event_detail_is_an_object() -> None:
    """An event's detail that is no object is refused."""
    with pytest.raises(LeafError, match="whose detail has not the form"):
        parse_leaf(fields_of("event-full", detail=["text"]))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"1", b"\xff", b'{"type":"event/1" }'])
def test_what_is_no_leaf_is_refused(data: bytes) -> None:
    """Bytes that are no canonical JSON object are no leaf."""
    with pytest.raises(LeafError):
        parse_leaf(data)


def test_errors_do_not_repeat_the_leaf() -> None:
    """A message about a bad leaf names fields of the type and nothing that stood in the leaf."""
    with pytest.raises(LeafError) as error:
        parse_leaf(fields_of("certificate-full", lot=["hostile"], type="certificate/1"))
    assert "hostile" not in str(error.value)
