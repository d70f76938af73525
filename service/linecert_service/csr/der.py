"""A strict reader of DER (ITU-T X.690, section 10) for the few facts that the library hides, and a writer of elements.

It reads element by element and never recurses, so that neither nesting nor a stated length costs more than the bytes
that are there.
"""

from typing import Final

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
SEQUENCE: Final = 0x30
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SET: Final = 0x31
CONTEXT_0: Final = 0xA0
"""`[0]`, constructed."""
CONTEXT_3: Final = 0xA3
"""`[3]`, constructed."""

_HIGH_TAG_NUMBER: Final = 0x1F
_LONG_FORM: Final = 0x80
_TWO_OCTETS: Final = 0x82


class DerError(ValueError):
    """The bytes are not the DER that was expected. Its message is constant."""


class Reader:
    """Reads the elements that `data` consists of, from left to right."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def content(self, tag: int) -> bytes:
        """The content octets of the next element.

        Raises:
            DerError: there is none, it has another tag, or its length is not minimal or goes too far.
        """
        start, end = self._next(tag)
        self._position = end
        return self._data[start:end]

    def element(self, tag: int) -> bytes:
        """The next element with its tag and length.

        Raises:
            DerError: as for `content`.
        """
        start = self._position
        self._position = self._next(tag)[1]
        return self._data[start : self._position]

    def tag(self) -> int:
        """The tag of the next element.

        Raises:
            DerError: there is none, or its tag has more than one octet: nothing in a CSR needs that.
        """
        if self.at_end():
            raise DerError("an element is missing")
        tag = self._data[self._position]
        if tag & _HIGH_TAG_NUMBER == _HIGH_TAG_NUMBER:
            raise DerError("a tag has more than one octet")
        return tag

    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._position == len(self._data)

    def finish(self) -> None:
        """Hold that everything was read.

        Raises:
            DerError: something follows.
        """
        if not self.at_end():
            raise DerError("something follows the last element")

    def _next(self, tag: int) -> tuple[int, int]:
        data, position = self._data, self._position
        if position >= len(data) or data[position] != tag:
            raise DerError("an element is missing or has another tag")
        start, end = content_bounds(data, position)
        if end > len(data):
            raise DerError("an element is longer than what holds it")
        return start, end


def content_bounds(data: bytes, position: int) -> tuple[int, int]:
    """Where the content of the element at `position` starts and where it says to end, which may be beyond `data`.

    Raises:
        DerError: the length is missing, indefinite, not minimal, or has more than two octets (65,535 is more than any
            CSR that is read here).
    """
    try:
        first = data[position + 1]
        if first < _LONG_FORM:
            start = position + 2
            return start, start + first
        octets = first - _LONG_FORM
        if not octets or first > _TWO_OCTETS:
            raise DerError("a length is indefinite or too large")
        start = position + 2 + octets
        length = data[position + 2] if octets == 1 else data[position + 2] << 8 | data[position + 3]
    except IndexError:
        raise DerError("a length is missing") from None
    if length < (_LONG_FORM if octets == 1 else 0x100):
        raise DerError("a length is not minimal")
    return start, start + length


def element(tag: int, content: bytes) -> bytes:
    """An element with this content, of at most 65,535 octets."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    if length < 0x100:  # noqa: PLR2004 - one octet
        return bytes((tag, 0x81, length)) + content
    return bytes((tag, _TWO_OCTETS)) + length.to_bytes(2, "big") + content


def object_identifier(dotted: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER that is written with dots (X.690, section 8.19)."""
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *arcs):
        groups = bytearray((arc & 0x7F,))
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        groups.reverse()
        content += groups
    return bytes(content)
