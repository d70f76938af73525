"""RSA keys that are broken on purpose, with the structure that the literature describes."""

import functools
import math
import random
from typing import Final

SMALL_PRIMES: Final = tuple(n for n in range(2, 752) if all(n % d for d in range(2, n)))
"""The primes up to 751, by trial."""


def is_prime(n: int) -> bool:
    """Whether `n` is a prime, with a chance of error that tests can bear: Fermat's test to the bases 2 and 3."""
    return all(n % p for p in SMALL_PRIMES if p != n) and pow(2, n - 1, n) == 1 and pow(3, n - 1, n) == 1


def next_prime(n: int) -> int:
    """The first prime from `n` on."""
    n |= 1
    while not is_prime(n):
        n += 2
    return n


@functools.cache
def prime(bits: int, seed: int) -> int:
    """A prime of exactly `bits` bits whose first two are set, so that two of them multiply to twice the length."""
    return next_prime(random.Random(seed).getrandbits(bits) | 3 << bits - 2)


@functools.cache
def roca_prime(bits: int, seed: int) -> int:
    """A prime k * M + (65537 ** a mod M), M a product of the first primes (Nemec et al., CCS 2017, section 2).

    The paper's M is the product of the first 71, 126 or 225 primes for primes of 512, 1024 or 2048 bits.
    """
    primorial = math.prod(SMALL_PRIMES[: {512: 71, 1024: 126}[bits]])
    source = random.Random(seed)
    while True:
        a = source.getrandbits(64)
        k = source.randrange((3 << bits - 2) // primorial + 1, (1 << bits) // primorial)
        candidate = k * primorial + pow(65537, a, primorial)
        if is_prime(candidate):
            return candidate


def primes_that_fermat_finds_in(rounds: int, bits: int) -> tuple[int, int]:
    """Two primes, the product of which takes Fermat's method as many rounds, or a few less."""
    p = prime(bits, seed=rounds)
    # p + q = 2a and q - p = 2b: the round is about b**2 / (2 * sqrt(n)).
    b = math.isqrt(2 * p * rounds)
    return p, next_prime(p + 2 * b - (b >> bits // 2 - 20))
