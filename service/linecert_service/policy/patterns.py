"""Registration-ID patterns of `stations.toml`: `*` and `?` over the whole ID, without case."""

import fnmatch
import re
from collections.abc import Iterable
from typing import Final

from linecert import registration_id

_ALPHABET: Final = re.compile(r"[A-Za-z0-9._:*?-]+")
_END: Final = re.compile(r".*[A-Za-z0-9*?-]", re.DOTALL)


def check(pattern: str) -> str:
    """Return `pattern` when some registration ID matches it.

    Raises:
        ValueError: none can; the message says why.
    """
    if not _ALPHABET.fullmatch(pattern):
        raise ValueError("needs letters, digits, '-' '.' '_' ':' and the wildcards '*' and '?', and nothing else")
    if len(pattern.replace("*", "")) > registration_id.MAX_LENGTH:
        raise ValueError(f"asks for more than the {registration_id.MAX_LENGTH} characters that an ID may have")
    if not _END.fullmatch(pattern):
        raise ValueError("must not end in '.', '_' or ':', since no registration ID does")
    return pattern


class RegistrationIdPatterns:
    """The IDs that a station may ask for; without a pattern, any. Each pattern has passed `check`."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(patterns)
        # fnmatch's other wildcard, the bracket, is not in the alphabet. What it makes has atomic groups, so that no
        # pattern takes long over any ID.
        self._matches = tuple(re.compile(fnmatch.translate(pattern.lower())).match for pattern in self.patterns)

    def allow(self, asked: str) -> bool:
        """Whether the registration ID, which has passed its own check, may be asked for."""
        return not self._matches or any(match(registration_id.key(asked)) for match in self._matches)
