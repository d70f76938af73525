"""Changes of `linecert.toml` keep what operators wrote there."""

import tomllib

import pytest

from linecert_service.installation.issuer_toml import with_issuer, with_issuer_of_profile, with_next_issuer

VALUES = {"key": "file:b.pem", "chain": "b.chain.pem"}

BETWEEN = """\
# Ours.
[issuers.a]
key = "file:a.pem"  # encrypted
# Its chain.
chain = "a.chain.pem"

# What a certificate looks like.
[profiles.device]
issuer = "a"  # for now
validity = "5y"

# Where it is kept.
[store]
"""
SCATTERED = """\
[issuers.a]
key = "file:a.pem"
[profiles.device]
issuer = "a"
[issuers.c]
key = "file:c.pem"
"""
INLINE = """\
issuers = {a = {key = "file:a.pem"}}
[profiles.device]
issuer = "a"
"""
DOTTED = """\
[issuers]
a.key = "file:a.pem"  # dotted
[profiles.device]
issuer = "a"
"""
LAST = """\
[profiles.device]
issuer = "a"
[issuers.a]
key = "file:a.pem"
# the end
"""


@pytest.mark.parametrize("text", [BETWEEN, SCATTERED, DOTTED, LAST])
def test_an_issuer_is_added_and_nothing_lost(text: str) -> None:
    """However the file is written, each of its lines is still there, in the same order."""
    after = with_issuer(text, "b", VALUES)
    data = tomllib.loads(after)
    assert data["issuers"].pop("b") == VALUES
    assert data == tomllib.loads(text)
    lines = iter(after.splitlines())
    assert all(line in lines for line in text.splitlines() if line)


def test_it_stands_with_the_other_issuers() -> None:
    """Before the comment that introduces the next section."""
    after = with_issuer(BETWEEN, "b", VALUES)
    assert after.index("[issuers.a]") < after.index("[issuers.b]") < after.index("# What a certificate")
    assert "\n\n# What a certificate looks like.\n[profiles.device]" in after


def test_inline_issuers_get_another_one() -> None:
    """TOML does not let a table be added behind an inline one: it goes inside."""
    after = with_issuer(INLINE, "b", VALUES)
    assert tomllib.loads(after)["issuers"] == {"a": {"key": "file:a.pem"}, "b": VALUES}


def test_a_profile_gets_another_issuer() -> None:
    """The comment behind the value stays; what was staged is staged no more."""
    staged = with_next_issuer(BETWEEN, "device", "b", "a")
    assert tomllib.loads(staged)["profiles"]["device"] == {"issuer": "a", "next_issuer": "b", "validity": "5y"}
    after = with_issuer_of_profile(staged, "device", "b")
    assert after == BETWEEN.replace('issuer = "a"', 'issuer = "b"')
