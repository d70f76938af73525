"""`pkcs11:` URIs (RFC 7512): which key, in which token, through which module."""

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote_to_bytes

SCHEME: Final = "pkcs11:"

_PATH: Final = frozenset({"token", "serial", "model", "manufacturer", "slot-id", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "module-name", "pin-source"})
_MALFORMED_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MODULE_NAME: Final = re.compile(r"[A-Za-z0-9._+-]+")
_MODULE_FOLDERS: Final = (
    "/usr/lib/*-linux-*/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/local/lib/pkcs11",
    "/usr/lib/softhsm",
    "/usr/lib64/softhsm",
)
_EXAMPLE: Final = "pkcs11:token=line-ca;object=issuer?module-path=/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """What a `pkcs11:` URI says; None where it says nothing.

    Attributes:
        module: the PKCS#11 library: a path, or a name for the dynamic loader.
        token: label of the token.
        serial: its serial number.
        model: its model.
        manufacturer: its manufacturer.
        slot_id: the slot that it is in.
        object: label of the private key (CKA_LABEL).
        id: its identifier (CKA_ID).
        pin_source: the file whose first line is the PIN.
    """

    module: str
    token: str | None = None
    serial: str | None = None
    model: str | None = None
    manufacturer: str | None = None
    slot_id: int | None = None
    object: str | None = None
    id: bytes | None = None
    pin_source: Path | None = None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read a URI.

        Raises:
            ValueError: it is not one, or not one of a single private key; the message repeats nothing of it.
        """
        if not uri.startswith(SCHEME):
            raise ValueError(f"must be a PKCS#11 URI (RFC 7512), such as {_EXAMPLE}")
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        if "pin-value" in _names(query, "&"):
            raise ValueError(
                "must not hold pin-value, a secret: name a file with pin_file, or give the PIN in the environment"
            )
        where = _attributes(path, ";", _PATH)
        how = _attributes(query, "&", _QUERY)
        if where.get("type", b"private") != b"private":
            raise ValueError("must name a private key: write type=private, or leave type out")
        if not where.keys() & {"object", "id"}:
            raise ValueError(
                f"must name the key by its label (object=...) or identifier (id=%01...), such as {_EXAMPLE}"
            )
        return cls(
            module=_module(how),
            **{name: _text(where, name) for name in ("token", "serial", "model", "manufacturer", "object")},
            slot_id=_slot_id(where),
            id=where.get("id"),
            pin_source=_pin_source(how),
        )

    def __str__(self) -> str:
        """The key and its token, as messages name them."""
        key = f"'{self.object}'" if self.object is not None else f"with id {(self.id or b'').hex()}"
        return f"key {key} in {self.token_name}"

    @property
    def token_name(self) -> str:
        """The token, as messages name it."""
        for title, value in (("token", self.token), ("token with serial", self.serial)):
            if value is not None:
                return f"{title} '{value}'"
        return f"the token in slot {self.slot_id}" if self.slot_id is not None else "the token"


def _names(part: str, separator: str) -> list[str]:
    return [one.partition("=")[0] for one in part.split(separator)] if part else []


def _attributes(part: str, separator: str, known: frozenset[str]) -> Mapping[str, bytes]:
    names = _names(part, separator)
    if len(set(names)) != len(names):
        raise ValueError("names an attribute twice: each may stand once (RFC 7512, 2.3)")
    if not known.issuperset(names):
        raise ValueError(f"takes, before or after its question mark, the attributes {', '.join(sorted(known))}")
    if _MALFORMED_ESCAPE.search(part):
        raise ValueError("has a % without two hex digits: write the sign itself as %25")
    return dict(zip(names, _values(part, separator), strict=True))


def _values(part: str, separator: str) -> Iterator[bytes]:
    for one in part.split(separator) if part else ():
        value = unquote_to_bytes(one.partition("=")[2])
        if not value:
            raise ValueError("has an attribute without a value: give it one, or leave it out")
        yield value


def _text(attributes: Mapping[str, bytes], name: str) -> str | None:
    if name not in attributes:
        return None
    try:
        text = attributes[name].decode()
    except UnicodeDecodeError:
        raise ValueError(f"has a value of {name} that is not UTF-8") from None
    if not text.isprintable():
        raise ValueError(f"has a value of {name} with control characters")
    return text


def _slot_id(attributes: Mapping[str, bytes]) -> int | None:
    value = attributes.get("slot-id")
    if value is None:
        return None
    if not re.fullmatch(rb"[0-9]{1,20}", value):
        raise ValueError("needs a decimal number for slot-id")
    return int(value)


def _module(attributes: Mapping[str, bytes]) -> str:
    path, name = _text(attributes, "module-path"), _text(attributes, "module-name")
    if (path is None) == (name is None):
        raise ValueError(f"needs either module-path or module-name, and not both, such as {_EXAMPLE}")
    if path is not None:
        if not Path(path).is_absolute():
            raise ValueError("needs an absolute path for module-path")
        return path
    if name is None or not _MODULE_NAME.fullmatch(name):
        raise ValueError("needs the bare name of a library for module-name, such as softhsm2")
    file = f"lib{name.removeprefix('lib')}.so"
    found = sorted(path for folder in _MODULE_FOLDERS for path in glob.glob(f"{folder}/{file}"))  # noqa: PTH207 - two levels
    return found[0] if found else file


def _pin_source(attributes: Mapping[str, bytes]) -> Path | None:
    value = _text(attributes, "pin-source")
    if value is None:
        return None
    path = Path(value.removeprefix("file:"))
    if not value.startswith("file:") or not path.is_absolute():
        raise ValueError("needs file: and an absolute path for pin-source")
    return path
