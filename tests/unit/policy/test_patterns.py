"""Registration-ID patterns."""

import pytest

from linecert_service.policy import patterns
from linecert_service.policy.patterns import RegistrationIdPatterns


@pytest.mark.parametrize(
    "pattern, registration_id",
    [
        ("*", "anything-1"),
        ("line1-*", "line1-0001"),
        ("LINE1-*", "line1-0001"),
        ("line1-*", "LINE1-0001"),
        ("sn-????", "sn-00A1"),
        ("*-eol", "x-eol"),
        ("a.b*", "a.bc"),
        ("sn:*", "sn:7"),
    ],
)
def test_a_pattern_covers_the_whole_id_without_case(pattern: str, registration_id: str) -> None:
    """`*` is any run of characters, `?` exactly one, everything else itself in either case."""
    assert RegistrationIdPatterns([patterns.check(pattern)]).allow(registration_id)


@pytest.mark.parametrize(
    "pattern, registration_id",
    [("line1-*", "xline1-1"), ("line1", "line1-1"), ("sn-????", "sn-001"), ("a.b", "axb"), ("line1-*", "line2-1")],
)
def test_what_a_pattern_does_not_cover_is_refused(pattern: str, registration_id: str) -> None:
    """No match in the middle, and the dot is a dot."""
    assert not RegistrationIdPatterns([pattern]).allow(registration_id)


def test_without_patterns_any_id_is_allowed() -> None:
    """A station that lists none is free."""
    assert RegistrationIdPatterns().allow("anything")


def test_one_of_several_patterns_is_enough() -> None:
    """They are alternatives."""
    assert RegistrationIdPatterns(["a-*", "b-*"]).allow("b-1")


def test_many_stars_over_a_long_id_do_not_take_for_ever() -> None:
    """A device chooses its ID, so it must not be able to choose the time that matching takes."""
    assert not RegistrationIdPatterns(["*a" * 30 + "b"]).allow("a" * 64)


@pytest.mark.parametrize(
    "pattern, problem",
    [
        ("", "letters, digits"),
        ("line 1-*", "letters, digits"),
        ("[ab]-*", "letters, digits"),
        ("\u212a-*", "letters, digits"),
        ("line1\n", "letters, digits"),
        ("x" * 65, "64"),
        ("?" * 65 + "*", "64"),
        ("*.", "must not end"),
        ("a_", "must not end"),
        ("sn:", "must not end"),
    ],
)
def test_a_pattern_that_no_id_can_match_is_refused(pattern: str, problem: str) -> None:
    """An entry that would lock a station out by accident is found when the file is read."""
    with pytest.raises(ValueError, match=problem):
        patterns.check(pattern)
