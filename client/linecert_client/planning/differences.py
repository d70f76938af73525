"""What a comparison of a work order can find."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self


class Kind(enum.StrEnum):
    """What a planner looks for."""

    ORDER = "order"
    MISSING = "missing"
    EXTRA = "extra"
    REPLACED = "replaced"


class Code(enum.StrEnum):
    """What exactly it is, for scripts."""

    QUANTITY_NOT_REACHED = "quantity_not_reached"
    EXPECTED_COUNT_DIFFERS = "expected_count_differs"
    ISSUED_COUNT_DIFFERS = "issued_count_differs"
    NOT_ISSUED = "not_issued"
    NOT_BUILT = "not_built"
    NOT_EXPECTED = "not_expected"
    NO_CERTIFICATE = "no_certificate"
    BUILT_TWICE = "built_twice"
    OTHER_CERTIFICATE = "other_certificate"
    OUTDATED_BUILT = "outdated_certificate_built"
    REPLACED = "replaced"


_KINDS: Final = MappingProxyType(
    {
        Code.QUANTITY_NOT_REACHED: Kind.ORDER,
        Code.EXPECTED_COUNT_DIFFERS: Kind.ORDER,
        Code.ISSUED_COUNT_DIFFERS: Kind.ORDER,
        Code.NOT_ISSUED: Kind.MISSING,
        Code.NOT_BUILT: Kind.MISSING,
        Code.NOT_EXPECTED: Kind.EXTRA,
        Code.NO_CERTIFICATE: Kind.EXTRA,
        Code.BUILT_TWICE: Kind.EXTRA,
        Code.OTHER_CERTIFICATE: Kind.EXTRA,
        Code.OUTDATED_BUILT: Kind.REPLACED,
        Code.REPLACED: Kind.REPLACED,
    }
)
_TEXTS: Final = MappingProxyType(
    {
        Code.QUANTITY_NOT_REACHED: "{} of {} devices have a certificate",
        Code.EXPECTED_COUNT_DIFFERS: "the list names {} devices, the service expects {}",
        Code.ISSUED_COUNT_DIFFERS: "the records name {} devices, the order counts {}",
        Code.NOT_ISSUED: "expected, and has no certificate of this order",
        Code.NOT_BUILT: "has a certificate, and is not among the built ones",
        Code.NOT_EXPECTED: "has a certificate, and is not among the expected ones",
        Code.NO_CERTIFICATE: "built, and has no certificate of this order",
        Code.BUILT_TWICE: "built twice, first in line {}",
        Code.OTHER_CERTIFICATE: "built with a certificate that is none of this device and order",
        Code.OUTDATED_BUILT: "built with a certificate that {} replaced",
        Code.REPLACED: "generation {}, for {}, replaces {}",
    }
)
_LAWFUL: Final = frozenset({Code.REPLACED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One finding.

    Attributes:
        kind: what a planner looks for.
        code: what exactly it is.
        registration_id: of the device; empty where it is about the order, or nobody knows.
        serial_number: of the certificate; empty where there is none.
        detail: a text for people.
        line: of the file of built devices; None where it comes from elsewhere.
    """

    kind: Kind
    code: Code
    registration_id: str
    serial_number: str
    detail: str
    line: int | None

    @classmethod
    def of(
        cls,
        code: Code,
        registration_id: str = "",
        serial_number: str = "",
        line: int | None = None,
        details: Sequence[Any] = (),
    ) -> Self:
        """The finding `code`; `details` go into its text."""
        return cls(_KINDS[code], code, registration_id, serial_number, _TEXTS[code].format(*details), line)

    @property
    def lawful(self) -> bool:
        """Whether it is shown only, such as a replacement that the order allowed."""
        return self.code in _LAWFUL

    @staticmethod
    def of_kind(code: Code) -> Kind:
        """What a planner looks for when the code is found."""
        return _KINDS[code]
