"""RSA keys that can be broken: what the CA/Browser Forum has every CA look for (Baseline Requirements, 6.1.1.3, 6.1.6).

- ROCA: keys from a faulty library of Infineon (CVE-2017-15361). Their primes are powers of 65537 modulo many small
  primes, and so is the modulus; another key passes all of these by chance once in 2**27 at most.
- Close primes: Fermat's method finds them in a few rounds; Boulder tries 110, which covers the 100 that the
  requirements name. Its first round finds squares.
- Small factors: a faulty generator leaves them. The requirements want none below 752.
"""

import math
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.refusals import refused

FERMAT_ROUNDS: Final = 110
LARGEST_SMALL_PRIME: Final = 751

_ROCA_GENERATOR: Final = 65537
_ROCA_LARGEST_PRIME: Final = 167
_NEW_KEY: Final = "make a new key with another generator, and find out which other keys the old one made"


def _primes(largest: int) -> tuple[int, ...]:
    return tuple(n for n in range(2, largest + 1) if all(n % d for d in range(2, math.isqrt(n) + 1)))


def _powers(base: int, modulus: int) -> frozenset[int]:
    return frozenset(pow(base, exponent, modulus) for exponent in range(modulus - 1))


_SMALL_PRIMES_PRODUCT: Final = math.prod(_primes(LARGEST_SMALL_PRIME))
# Primes modulo which every residue is a power tell nothing, and are left out.
_ROCA_FINGERPRINT: Final = tuple(
    (prime, powers)
    for prime in _primes(_ROCA_LARGEST_PRIME)[1:]
    if len(powers := _powers(_ROCA_GENERATOR, prime)) < prime - 1
)
_SQUARES_MODULO_256: Final = frozenset(n * n % 256 for n in range(256))


def check_modulus(modulus: int) -> None:
    """Hold that no known short cut factors the modulus of an RSA key.

    Raises:
        Refused: PUBLIC_KEY_WEAK.
    """
    if has_small_factor(modulus):
        problem = f"the CSR's RSA modulus has a prime factor of at most {LARGEST_SMALL_PRIME}"
    elif has_roca_fingerprint(modulus):
        problem = "the CSR's RSA key has the fingerprint of ROCA (CVE-2017-15361)"
    elif has_close_factors(modulus):
        problem = "the primes of the CSR's RSA key are so close together that they are easily found"
    else:
        return
    raise refused(reasons.ERROR_REASON_PUBLIC_KEY_WEAK, f"{problem}: {_NEW_KEY}")


def has_small_factor(modulus: int) -> bool:
    """Whether a prime up to 751 divides `modulus`."""
    return math.gcd(modulus, _SMALL_PRIMES_PRODUCT) != 1


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether `modulus` is a power of 65537 modulo each prime up to 167."""
    # A loop, since it ends at the first few primes and a generator would cost more than they do.
    for prime, powers in _ROCA_FINGERPRINT:  # noqa: SIM110
        if modulus % prime not in powers:
            return False
    return True


def has_close_factors(modulus: int) -> bool:
    """Whether an odd `modulus` is a*a - b*b with `a` among the first 110 candidates from its square root up."""
    a = math.isqrt(modulus - 1) + 1
    remainder = a * a - modulus
    for _ in range(FERMAT_ROUNDS):
        # Only one number in six passes the look at its last octet; the root of the rest is what costs.
        if remainder & 0xFF in _SQUARES_MODULO_256 and math.isqrt(remainder) ** 2 == remainder:
            return True
        remainder += 2 * a + 1
        a += 1
    return False
