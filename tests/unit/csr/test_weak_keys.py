"""Weak RSA keys are found, and only they. The oracles here are the definitions, computed the slow way."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linecert_service.csr.weak_keys import FERMAT_ROUNDS, has_close_factors, has_roca_fingerprint, has_small_factor
from support import csrs, weak_rsa

Refusal = Callable[[bytes], str]


def fermat_rounds_needed(n: int, most: int) -> int | None:
    """The round in which Fermat's method finds a factor of `n`, counted from 1; None beyond `most`."""
    for number in range(1, most + 1):
        a = math.isqrt(n) + (math.isqrt(n) ** 2 != n) + number - 1
        b = math.isqrt(a * a - n)
        if b * b == a * a - n:
            return number
    return None


def is_power_of_65537(value: int, prime: int) -> bool:
    """Whether `value` is among 1, g, g**2, ... modulo `prime`."""
    power = 1
    for _ in range(prime):
        if power == value % prime:
            return True
        power = power * 65537 % prime
    return False


def test_a_roca_key_is_refused(refused: Refusal) -> None:
    """RSA-2048 with the structure of CVE-2017-15361, signed as it should be."""
    key = csrs.rsa_key(weak_rsa.roca_prime(1024, 1), weak_rsa.roca_prime(1024, 2))
    assert key.key_size == 2048
    assert refused(csrs.make(key=key)) == "PUBLIC_KEY_WEAK"


def test_a_key_with_one_roca_prime_has_no_fingerprint() -> None:
    """The fingerprint is of the product of two such primes."""
    assert not has_roca_fingerprint(weak_rsa.roca_prime(1024, 1) * weak_rsa.prime(1024, 1))


@pytest.mark.parametrize("prime", [p for p in weak_rsa.SMALL_PRIMES if 2 < p <= 167])
def test_each_prime_of_the_roca_fingerprint_counts(prime: int) -> None:
    """A number that is a power of 65537 modulo all primes but one has the fingerprint only if it is one there, too."""
    product = math.prod(weak_rsa.SMALL_PRIMES)
    others = product // prime
    power = pow(65537, 0xC0FFEE, product)
    for residue in range(1, prime):
        changed = power + others * ((residue - power) * pow(others, -1, prime) % prime)
        assert changed % prime == residue
        assert has_roca_fingerprint(changed) == is_power_of_65537(residue, prime)


@given(st.integers(min_value=0, max_value=1 << 64))
@settings(deadline=None, max_examples=100)
def test_every_power_of_65537_has_the_fingerprint(exponent: int) -> None:
    """Whatever the exponent."""
    assert has_roca_fingerprint(pow(65537, exponent, math.prod(weak_rsa.SMALL_PRIMES)))


def test_close_primes_are_refused(refused: Refusal) -> None:
    """A prime and the next one, signed as it should be."""
    p = weak_rsa.prime(1024, seed=7)
    key = csrs.rsa_key(p, weak_rsa.next_prime(p + 2))
    assert refused(csrs.make(key=key)) == "PUBLIC_KEY_WEAK"


@pytest.mark.parametrize("rounds", [2, 50, 100])
def test_primes_that_fermat_finds_within_the_rounds_are_found(rounds: int) -> None:
    """Every distance that 110 rounds reach, at the size of real keys."""
    p, q = weak_rsa.primes_that_fermat_finds_in(rounds, 1024)
    needed = fermat_rounds_needed(p * q, FERMAT_ROUNDS)
    assert needed is not None
    assert abs(needed - rounds) <= 2
    assert has_close_factors(p * q)


def test_primes_beyond_the_rounds_are_not_searched_for() -> None:
    """The search ends after 110 rounds."""
    p, q = weak_rsa.primes_that_fermat_finds_in(FERMAT_ROUNDS + 10, 1024)
    assert fermat_rounds_needed(p * q, FERMAT_ROUNDS + 20) is not None
    assert not has_close_factors(p * q)


@given(st.integers(min_value=3, max_value=1 << 48).map(lambda n: n | 1))
@settings(deadline=None, max_examples=500)
def test_fermat_is_the_textbook_one(n: int) -> None:
    """The filtered, incremental search finds exactly what the plain one finds."""
    assert has_close_factors(n) == (fermat_rounds_needed(n, FERMAT_ROUNDS) is not None)


def test_a_square_is_refused(refused: Refusal) -> None:
    """One prime, used twice."""
    p = weak_rsa.prime(1024, seed=9)
    assert fermat_rounds_needed(p * p, 1) == 1
    assert refused(unsigned(p * p)) == "PUBLIC_KEY_WEAK"


@pytest.mark.parametrize("factor", [2, 3, 5, 7, 751])
def test_a_small_factor_is_refused(factor: int, refused: Refusal) -> None:
    """From an even modulus up to the factor 751."""
    assert refused(unsigned(modulus_with(factor))) == "PUBLIC_KEY_WEAK"


def test_a_factor_beyond_751_is_not_searched_for() -> None:
    """757 is the next prime."""
    assert not has_small_factor(757 * weak_rsa.prime(1024, 3) * weak_rsa.prime(1024, 4))


@given(st.integers(min_value=1, max_value=1 << 128))
@settings(deadline=None, max_examples=300)
def test_small_factors_are_those_of_trial_division(n: int) -> None:
    """One gcd says what dividing by each prime says."""
    assert has_small_factor(n) == any(n % p == 0 for p in weak_rsa.SMALL_PRIMES)


@pytest.mark.parametrize("key_type", ["RSA-2048", "RSA-3072", "RSA-4096"])
def test_a_sound_key_is_not_weak(key_type: str) -> None:
    """What OpenSSL makes passes all three checks."""
    modulus = csrs.key(key_type).public_key().public_numbers().n
    assert not has_small_factor(modulus)
    assert not has_roca_fingerprint(modulus)
    assert not has_close_factors(modulus)


def modulus_with(factor: int) -> int:
    """A number of 2048 bits that `factor` divides."""
    return (3 << 2046) // factor * factor + factor


def unsigned(modulus: int) -> bytes:
    """A CSR of an RSA key that nobody can sign with; it does not come to that."""
    return csrs.make(
        spki=csrs.rsa_spki(modulus), signature_algorithm=csrs.RSA_WITH_SHA256, signature=csrs.bit_string(b"\1" * 256)
    )
