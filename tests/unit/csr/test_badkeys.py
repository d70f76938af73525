"""Weak keys of every kind, judged by us and by badkeys (https://badkeys.info), which is the oracle here.

Where the two differ, the difference is written down below with its reason, and held: a version of badkeys that learns a
new kind of weak key fails a test until somebody has decided about it.
"""

import functools
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from badkeys import checks as badkeys

from linecert.contract import refusal
from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.weak_keys import FERMAT_ROUNDS, LARGEST_SMALL_PRIME
from linecert_service.domain.errors import Refused
from support import csrs, weak_rsa

COMPARED = {"fermat", "roca", "smallfactors", "rsainvalid", "rsawarnings", "smalld"}
"""What both look for; `smallfactors` as far as 751."""
NOT_LOOKED_FOR = {
    "blocklist": "keys that were published: a download, for which the operator's deny list is the place",
    "sharedprimes": "primes of published keys: the same",
    "rsapoly": "moduli of two SSH products, which no device here has; the Baseline Requirements do not name them",
    "rsabias": "a warning, about keys that somebody has drawn a picture in; they need not be weak",
    "pattern": "the same; badkeys itself does not look for it unless told to",
    "xzbackdoor": "a message to a backdoor in a key: it is not weak",
    "dsasparse": "DSA is not allowed",
}
RSA_CHECKS = sorted((COMPARED | NOT_LOOKED_FOR.keys()) - {"blocklist", "dsasparse"})
BITS = (2048, 3072, 4096)


class Key(NamedTuple):
    """The numbers of an RSA public key."""

    modulus: int
    exponent: int = 65537


def ours(key: Key) -> str | None:
    """Why a CSR with this key is refused, unless for its signature, which nobody can make; None when it is taken."""
    algorithm, nonsense = csrs.RSA_WITH_SHA256, csrs.bit_string(b"\1" * 256)
    with pytest.raises(Refused) as caught:
        CsrChecker().check(csrs.make(spki=csrs.rsa_spki(*key), signature_algorithm=algorithm, signature=nonsense))
    reason = refusal(caught.value.reason).name
    return None if reason == "CSR_SIGNATURE_INVALID" else reason


def theirs(key: Key) -> set[str]:
    """What badkeys finds."""
    return set(badkeys.checkrsa(key.modulus, key.exponent, checks=RSA_CHECKS))


def test_every_check_of_badkeys_is_decided_about() -> None:
    """Compared, or left out for a reason."""
    assert set(badkeys.allchecks) == COMPARED | NOT_LOOKED_FOR.keys()


# Weak keys, and what both say of them.


def roca() -> Iterator[Key]:
    """CVE-2017-15361."""
    yield Key(weak_rsa.roca_prime(1024, 1) * weak_rsa.roca_prime(1024, 2))


def close_primes() -> Iterator[Key]:
    """A prime with the next one, with itself, and with others that Fermat's method finds in up to 100 rounds."""
    p = weak_rsa.prime(1024, seed=1)
    yield Key(p * weak_rsa.next_prime(p + 2))
    for bits in BITS:
        yield Key(without_small_factors(3 << bits // 2 - 2) ** 2)
    for rounds in (2, 30, 95):
        yield Key(math.prod(weak_rsa.primes_that_fermat_finds_in(rounds, 1024)))


def small_factors() -> Iterator[Key]:
    """Each prime up to 751, and several at once."""
    for factor in (*weak_rsa.SMALL_PRIMES, 3 * 5 * 7, 751 * 743):
        for bits in (2048, 4096):
            yield Key((3 << bits - 2) // factor * factor + factor)


def other_exponents() -> Iterator[Key]:
    """Too small ones, the usual wrong ones, an even one, and one larger than the modulus."""
    modulus = good_modulus(2048)
    for exponent in (1, 2, 3, 17, 65535, 65539, modulus + 2):
        yield Key(modulus, exponent)


def small_private_exponents() -> Iterator[Key]:
    """Wiener's attack: the public exponent is as long as the modulus."""
    p, q = weak_rsa.prime(1024, seed=3), weak_rsa.prime(1024, seed=4)
    for bits in (64, 256, 500):
        d = weak_rsa.prime(bits, seed=5)
        yield Key(p * q, pow(d, -1, (p - 1) * (q - 1)))


def other_sizes() -> Iterator[Key]:
    """Too small, and between the sizes that are used."""
    for bits in (512, 1024, 1536, 2040, 2047, 2049, 2056, 2560, 4104, 8192):
        yield Key(without_small_factors(random.Random(bits).getrandbits(bits) | 1 << bits - 1))


KINDS = {
    "roca": (roca, "roca", "PUBLIC_KEY_WEAK"),
    "close_primes": (close_primes, "fermat", "PUBLIC_KEY_WEAK"),
    "small_factors": (small_factors, "smallfactors", "PUBLIC_KEY_WEAK"),
    "other_exponents": (other_exponents, "rsawarnings", "PUBLIC_KEY_NOT_ALLOWED"),
    "small_private_exponents": (small_private_exponents, "smalld", "PUBLIC_KEY_NOT_ALLOWED"),
    "other_sizes": (other_sizes, "rsawarnings", "PUBLIC_KEY_NOT_ALLOWED"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_badkeys_finds_is_refused(kind: str) -> None:
    """Each key of the kind is found there under its name, and refused here for the reason that fits."""
    make, check, reason = KINDS[kind]
    keys = list(make())
    assert keys
    for key in keys:
        assert check in theirs(key), key
        assert ours(key) == reason, key


def without_small_factors(number: int) -> int:
    """The first number from this one on that no prime up to 751 divides; not necessarily a prime."""
    while math.gcd(number, math.prod(weak_rsa.SMALL_PRIMES)) != 1:
        number += 1
    return number


# Keys that are sound.


@functools.cache
def good_modulus(bits: int, number: int = 0) -> int:
    """What OpenSSL makes."""
    key = csrs.key(f"RSA-{bits}", number)
    assert isinstance(key, csrs.rsa.RSAPrivateKey)
    return key.public_key().public_numbers().n


@pytest.mark.parametrize("bits", BITS)
def test_what_badkeys_finds_sound_is_taken(bits: int) -> None:
    """Keys as OpenSSL makes them."""
    for number in range({2048: 8, 3072: 3, 4096: 2}[bits]):
        key = Key(good_modulus(bits, number))
        assert (theirs(key), ours(key)) == (set(), None)


def test_primes_of_random_structure_are_judged_alike() -> None:
    """Two hundred moduli that are none of RSA's, but for their form: the checks agree on each, found or not."""
    source, found = random.Random(1), 0
    for _ in range(200):
        key = Key(source.getrandbits(2048) | 1 << 2047 | 1)
        small = math.gcd(key.modulus, math.prod(weak_rsa.SMALL_PRIMES)) != 1
        # Of a number that is no key's, badkeys looks for factors as far as 65,537.
        others = theirs(key) - {"smallfactors"}
        assert (ours(key) is not None) == (small or bool(others))
        found += small
    assert 0 < found < 200


# The differences.


@pytest.mark.parametrize("factor", [757, 65_537])
def test_difference_factors_beyond_751(factor: int) -> None:
    """Only badkeys: it divides by all primes up to 65,537. The Baseline Requirements end at 752, and so do we."""
    assert factor > LARGEST_SMALL_PRIME
    key = Key(factor * without_small_factors((random.Random(1).getrandbits(2046) | 1 << 2047) // factor))
    assert theirs(key) == {"smallfactors"}
    assert ours(key) is None


def test_difference_ten_more_rounds() -> None:
    """Only we: 110 rounds of Fermat's method, as Boulder, where badkeys takes 100."""
    key = Key(math.prod(weak_rsa.primes_that_fermat_finds_in(FERMAT_ROUNDS - 5, 1024)))
    assert theirs(key) == set()
    assert ours(key) == "PUBLIC_KEY_WEAK"


def test_difference_sparse_primes() -> None:
    """Only badkeys: `rsapoly`, moduli with few ones, as two SSH products made them."""
    source = random.Random(3)
    p, q = (
        weak_rsa.next_prime((3 << 1022 | 1 << 984) + sum(source.getrandbits(1) << 64 * place for place in range(1, 15)))
        for _ in range(2)
    )
    assert theirs(Key(p * q)) == {"rsapoly"}
    assert ours(Key(p * q)) is None


def test_difference_a_modulus_that_was_chosen() -> None:
    """Only badkeys: `pattern` and `rsabias`, a modulus whose upper half is all ones."""
    p = weak_rsa.prime(1024, seed=8)
    q = weak_rsa.next_prime(((1 << 2048) - 1) // p - (1 << 64))
    assert (p * q).bit_length() == 2048
    assert theirs(Key(p * q)) == {"pattern", "rsabias"}
    assert ours(Key(p * q)) is None
