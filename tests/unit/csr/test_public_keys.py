"""Which public keys a device may have, and why another is refused."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.key_diagnosis import refusal
from support import csrs, weak_rsa

Refusal = Callable[[bytes], str]

P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def point(form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
    """The default key's point."""
    return csrs.key().public_key().public_bytes(Encoding.X962, form)


def of_rsa(modulus: int, exponent: int = 65537) -> bytes:
    """A CSR of RSA numbers that nobody can sign with; it does not come to that."""
    return of_spki(csrs.rsa_spki(modulus, exponent), csrs.RSA_WITH_SHA256)


def of_spki(spki: bytes, signature_algorithm: bytes = csrs.ECDSA_WITH_SHA256) -> bytes:
    """A CSR of a SubjectPublicKeyInfo that nobody can sign for."""
    return csrs.make(spki=spki, signature_algorithm=signature_algorithm, signature=csrs.bit_string(b"\1" * 70))


@pytest.mark.parametrize("key_type", csrs.ACCEPTED_KEY_TYPES)
@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-384", "SHA-512"])
def test_each_allowed_key_is_taken_with_each_allowed_hash(key_type: str, hash_name: str, checker: CsrChecker) -> None:
    """And what is reported of it is what the library says of the key."""
    key = csrs.key(key_type)
    csr = checker.check(csrs.make(key=key, hash_name=hash_name))
    assert csr.key_type == key_type
    assert csr.spki == csrs.spki_of(key)


@pytest.mark.parametrize("key_type", ["Ed25519", "Ed448", "DSA-2048", "RSA-1024"])
def test_a_key_of_another_algorithm_or_size_is_refused(key_type: str, refused: Refusal) -> None:
    """Although its owner signed rightly."""
    assert refused(csrs.make(key=csrs.key(key_type))) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("curve", ["P-521", "P-224", "secp256k1", "brainpoolP256r1"])
def test_a_key_on_another_curve_is_refused(curve: str, refused: Refusal) -> None:
    """Although its owner signed rightly; of these, two have the length of P-256."""
    assert refused(csrs.make(key=csrs.key(curve))) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("curve", ["1.2.840.10045.3.1.1", "1.2.3.4", "1.3.132.0.34"])
def test_a_curve_that_is_unknown_or_does_not_fit_is_refused(curve: str, refused: Refusal) -> None:
    """P-192, a curve that does not exist, and a P-256 point that says P-384."""
    assert refused(of_spki(csrs.ec_spki(point(), curve=csrs.oid(curve)))) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(csrs.explicit_p256_parameters(), id="the numbers of P-256"),
        pytest.param(csrs.tlv(csrs.NULL), id="implicit"),
        pytest.param(b"", id="absent"),
        pytest.param(csrs.oid("1.2.840.10045.3.1.7") * 2, id="twice"),
    ],
)
def test_a_curve_without_its_name_is_refused(parameters: bytes, refused: Refusal) -> None:
    """Explicit parameters, even those of P-256 itself (CVE-2020-0601)."""
    assert refused(csrs.make(spki=csrs.ec_spki(point(), curve=parameters))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_openssl_explicit_parameters_are_refused(refused: Refusal, openssl: Callable[[str], bytes]) -> None:
    """As `openssl ecparam -param_enc explicit` makes them."""
    openssl("ecparam -name prime256v1 -genkey -noout -param_enc explicit -out key.pem")
    assert refused(openssl("req -new -key key.pem -subj /CN=device-01")) == "PUBLIC_KEY_NOT_ALLOWED"


def test_a_compressed_point_is_refused(refused: Refusal) -> None:
    """The library would take it, and a CSR with it verifies."""
    assert refused(csrs.make(spki=csrs.ec_spki(point(PublicFormat.CompressedPoint)))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_a_hybrid_point_is_refused(refused: Refusal) -> None:
    """The library would take it, and hash to another key."""
    hybrid = bytes((6 + (point()[-1] & 1),)) + point()[1:]
    assert refused(csrs.make(spki=csrs.ec_spki(hybrid))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_the_point_at_infinity_is_refused(refused: Refusal) -> None:
    """One zero octet, and one padded to full length."""
    assert refused(of_spki(csrs.ec_spki(b"\0"))) == "PUBLIC_KEY_NOT_ALLOWED"
    assert refused(of_spki(csrs.ec_spki(b"\0" * 65))) == "PUBLIC_KEY_NOT_ALLOWED"
    assert refused(of_spki(csrs.ec_spki(b"\4" + b"\0" * 64))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_a_point_that_is_not_on_the_curve_is_refused(refused: Refusal) -> None:
    """One bit beside a good one."""
    off = point()[:-1] + bytes((point()[-1] ^ 1,))
    assert refused(of_spki(csrs.ec_spki(off))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_a_coordinate_beyond_the_prime_is_refused(refused: Refusal) -> None:
    """X + p names the same point as x: a key must have one encoding only, or the known-key lists would not see it."""
    x, y = small_point()
    canonical = b"\4" + x.to_bytes(32) + y.to_bytes(32)
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), canonical)
    assert refused(of_spki(csrs.ec_spki(canonical))) == "CSR_SIGNATURE_INVALID"
    other = b"\4" + (x + P256_PRIME).to_bytes(32) + y.to_bytes(32)
    assert refused(of_spki(csrs.ec_spki(other))) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("content", [b"", b"\4", b"\5" * 65, b"\4" * 64, b"\4" * 66, b"\4" * 97])
def test_a_point_of_another_length_or_kind_is_refused(content: bytes, refused: Refusal) -> None:
    """Among them none at all."""
    assert refused(of_spki(csrs.ec_spki(content))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_unused_bits_in_the_key_are_refused(refused: Refusal) -> None:
    """A key is whole octets."""
    assert refused(of_spki(csrs.ec_spki(point(), unused=1))) == "PUBLIC_KEY_NOT_ALLOWED"


def test_a_pss_key_is_refused(refused: Refusal, openssl: Callable[[str], bytes]) -> None:
    """A key that says of itself that it signs with PSS only."""
    openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem")
    assert refused(openssl("req -new -key key.pem -subj /CN=device-01")) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("bits", [512, 1023, 1024, 2040, 2047, 2049, 2056, 3071, 5120, 8192, 16384])
def test_rsa_of_another_size_is_refused(bits: int, refused: Refusal) -> None:
    """Not larger, not smaller, not by one bit."""
    assert refused(of_rsa((1 << bits) - 1)) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 3, 17, 65535, 65536, 65539, (1 << 32) + 1, (1 << 2047) + 1])
def test_another_rsa_exponent_is_refused(exponent: int, refused: Refusal) -> None:
    """One, even ones, small ones, large ones."""
    modulus = weak_rsa.prime(1024, 1) * weak_rsa.prime(1024, 2)
    assert refused(of_rsa(modulus, exponent)) == "PUBLIC_KEY_NOT_ALLOWED"


def test_exponent_three_is_refused_although_signed_rightly(refused: Refusal) -> None:
    """A working key with e = 3."""
    p, q = (next(c for c in candidates(seed) if (c - 1) % 3) for seed in (1, 2))
    assert refused(csrs.make(key=csrs.rsa_key(p, q, 3))) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("modulus", [0, -1, -(1 << 2047), -(1 << 2047) + 1])
def test_a_modulus_that_is_not_positive_is_refused(modulus: int, refused: Refusal) -> None:
    """Zero and negative numbers, among them one that has the octets of a good modulus."""
    assert refused(of_rsa(modulus)) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(lambda n: csrs.tlv(csrs.INTEGER, b"\0\0", n) + csrs.integer(65537), id="padded modulus"),
        pytest.param(lambda n: csrs.tlv(csrs.INTEGER, b"\0", n) + b"\x02\x04\0\1\0\1", id="padded exponent"),
        pytest.param(lambda n: csrs.tlv(csrs.INTEGER, b"\0", n), id="no exponent"),
        pytest.param(lambda n: csrs.tlv(csrs.INTEGER, b"\0", n) + csrs.integer(65537) * 2, id="three numbers"),
        pytest.param(lambda n: csrs.tlv(csrs.OCTET_STRING, b"\0", n) + csrs.integer(65537), id="no INTEGER"),
        pytest.param(lambda _: b"", id="no numbers"),
    ],
)
def test_rsa_numbers_in_another_encoding_are_refused(numbers: Callable[[bytes], bytes], refused: Refusal) -> None:
    """Exactly two minimal INTEGERs."""
    modulus = (weak_rsa.prime(1024, 1) * weak_rsa.prime(1024, 2)).to_bytes(256)
    spki = csrs.tlv(
        csrs.SEQUENCE,
        csrs.algorithm("1.2.840.113549.1.1.1", csrs.tlv(csrs.NULL)),
        csrs.bit_string(csrs.tlv(csrs.SEQUENCE, numbers(modulus))),
    )
    assert refused(of_spki(spki, csrs.RSA_WITH_SHA256)) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize("parameters", [b"", csrs.integer(0), csrs.tlv(csrs.NULL) * 2])
def test_rsa_with_other_parameters_than_null_is_refused(parameters: bytes, refused: Refusal) -> None:
    """RFC 3279, section 2.3.1: NULL, and it must be there."""
    spki = csrs.spki_of(csrs.key("RSA-2048")).replace(
        csrs.algorithm("1.2.840.113549.1.1.1", csrs.tlv(csrs.NULL)), csrs.algorithm("1.2.840.113549.1.1.1", parameters)
    )
    content = spki[4:]
    assert refused(of_spki(csrs.tlv(csrs.SEQUENCE, content), csrs.RSA_WITH_SHA256)) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize(
    "algorithm",
    ["1.2.840.113549.1.1.7", "1.2.840.10046.2.1", "1.3.101.110", "2.16.840.1.101.3.4.3.17", "1.2.3.4", "1.3.132.1.12"],
)
def test_a_key_of_an_algorithm_that_cannot_be_here_is_refused(algorithm: str, refused: Refusal) -> None:
    """OAEP, Diffie-Hellman, X25519, ML-DSA, ECDH only, and one that does not exist."""
    spki = csrs.tlv(csrs.SEQUENCE, csrs.algorithm(algorithm), csrs.bit_string(b"\1" * 64))
    assert refused(of_spki(spki)) == "PUBLIC_KEY_NOT_ALLOWED"


@pytest.mark.parametrize(
    "spki",
    [
        pytest.param(csrs.tlv(csrs.SEQUENCE), id="empty"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.SEQUENCE), csrs.bit_string(b"")), id="no algorithm"),
        pytest.param(csrs.tlv(csrs.SEQUENCE, csrs.algorithm("1.2.840.10045.2.1")), id="no key"),
        pytest.param(
            csrs.tlv(csrs.SEQUENCE, csrs.algorithm("1.2.840.10045.2.1"), csrs.tlv(csrs.OCTET_STRING)), id="OCTET STRING"
        ),
        pytest.param(
            csrs.tlv(csrs.SEQUENCE, csrs.algorithm("1.2.3"), csrs.bit_string(b"") + csrs.integer(0)),
            id="something after the key",
        ),
    ],
)
def test_what_is_no_subject_public_key_info_is_malformed(spki: bytes, refused: Refusal) -> None:
    """RFC 5280, section 4.1: an AlgorithmIdentifier and a BIT STRING."""
    assert refused(of_spki(spki)) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "spki, words",
    [
        (lambda: csrs.spki_of(csrs.key("P-521")), "is on P-521"),
        (lambda: csrs.spki_of(csrs.key("secp256k1")), "is on secp256k1"),
        (lambda: csrs.spki_of(csrs.key("Ed25519")), "is Ed25519"),
        (lambda: csrs.spki_of(csrs.key("RSA-1024")), "has 1024 bits"),
        (lambda: csrs.rsa_spki((1 << 2048) - 1, 3), "another exponent than 65537"),
        (lambda: csrs.ec_spki(point(PublicFormat.CompressedPoint)), "P-256 key is written as a compressed point"),
        (lambda: csrs.ec_spki(point(), curve=csrs.explicit_p256_parameters()), "does not name its curve"),
    ],
)
def test_the_refusal_says_what_is_wrong_and_what_is_allowed(spki: Callable[[], bytes], words: str) -> None:
    """A person on the line can act on it."""
    message = refusal(spki()).message
    assert words in message
    assert "P-256 or P-384" in message


def candidates(seed: int) -> list[int]:
    """A few primes of 1,024 bits."""
    return [weak_rsa.prime(1024, seed + 10 * number) for number in range(6)]


def small_point() -> tuple[int, int]:
    """A point of P-256 whose x is so small that x + p has 256 bits, too."""
    for x in range(1, 100):
        square = (x**3 - 3 * x + P256_B) % P256_PRIME
        y = pow(square, (P256_PRIME + 1) // 4, P256_PRIME)
        if y * y % P256_PRIME == square:
            return x, y
    raise AssertionError
