"""What the checker gives, in which order it judges, and what it never says."""

import hashlib
from collections.abc import Callable
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert.contract import refusal
from linecert_service.csr import library
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.errors import Refused
from support import csrs, weak_rsa

Refusal = Callable[[bytes], str]

CANARY = "cAnArY-7f3a"


def sha256_of(spki: bytes) -> bytes:
    """The hash by which keys are known."""
    return hashlib.sha256(spki).digest()


def reason_of(checker: CsrChecker, data: bytes, caller: bytes | None = None) -> str:
    """The reason for which `checker` refuses."""
    with pytest.raises(Refused) as caught:
        checker.check(data, caller)
    return refusal(caught.value.reason).name


@pytest.mark.parametrize("key_type", csrs.ACCEPTED_KEY_TYPES)
def test_a_good_csr_gives_its_facts(key_type: str, checker: CsrChecker) -> None:
    """Each of them is what the library says of the same CSR; PEM and DER give the same."""
    der = csrs.make("Device-01", csrs.key(key_type))
    csr = checker.check(csrs.pem(der))
    by_library = x509.load_der_x509_csr(der)
    assert csr.registration_id == "Device-01"
    assert csr.key_type == key_type
    assert csr.spki == by_library.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert csr.spki_sha256 == sha256_of(csr.spki)
    assert csr.csr_sha256 == sha256_of(der)
    assert checker.check(der) == csr


@pytest.mark.parametrize(
    "make_key",
    [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out key.pem",
        "ecparam -name prime256v1 -genkey -noout -out key.pem",
        "ecparam -name secp384r1 -genkey -noout -out key.pem",
    ],
    ids=["RSA-4096", "P-256", "P-384"],
)
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_the_tutorial_s_csr_is_taken(
    make_key: str, form: str, checker: CsrChecker, openssl: Callable[[str], bytes]
) -> None:
    """As Azure's tutorial makes it, with the openssl of this machine."""
    openssl(make_key)
    data = openssl(f"req -new -key key.pem -subj /CN=device-01 -sha256 -outform {form}")
    assert checker.check(data).registration_id == "device-01"


def test_openssl_s_text_form_is_refused(refused: Refusal, openssl: Callable[[str], bytes]) -> None:
    """`openssl req -text` puts text before the block."""
    openssl("ecparam -name prime256v1 -genkey -noout -out key.pem")
    assert refused(openssl("req -new -key key.pem -subj /CN=device-01 -text")) == "CSR_NOT_ALONE"


@pytest.mark.parametrize("key_type", ["P-256", "RSA-2048"])
def test_a_key_of_the_service_is_taken(key_type: str) -> None:
    """Even when who asks has the private key; and nothing is told about it."""
    key = csrs.key(key_type)
    checker = CsrChecker(taken=frozenset({sha256_of(csrs.spki_of(key))}))
    with pytest.raises(Refused) as caught:
        checker.check(csrs.make(key=key))
    assert refusal(caught.value.reason).name == "PUBLIC_KEY_TAKEN"
    assert caught.value.field == "csr"
    assert not caught.value.metadata
    assert checker.check(csrs.make(key=csrs.key(key_type, 2))).key_type == key_type


def test_the_caller_s_own_key_is_taken(checker: CsrChecker) -> None:
    """A station cannot get a device certificate for its own key."""
    own = sha256_of(csrs.spki_of(csrs.key()))
    assert reason_of(checker, csrs.make(), own) == "PUBLIC_KEY_TAKEN"
    assert checker.check(csrs.make(), sha256_of(b"another")).registration_id == "device-01"


def test_a_key_on_the_deny_list_is_weak() -> None:
    """The operator's word is enough."""
    checker = CsrChecker(denied=frozenset({sha256_of(csrs.spki_of(csrs.key()))}))
    assert reason_of(checker, csrs.make()) == "PUBLIC_KEY_WEAK"
    assert checker.check(csrs.make(key=csrs.key("P-256", 2))).key_type == "P-256"


def test_rules_are_judged_in_their_order(refused: Refusal) -> None:
    """A CSR that breaks all rules is refused for each in turn, as one after the other is mended."""
    good = csrs.key("RSA-2048")
    weak = csrs.rsa_key(weak_rsa.prime(1024, 7), weak_rsa.next_prime(weak_rsa.prime(1024, 7) + 2))
    bad_name = csrs.name()
    garbage = csrs.bit_string(b"\1" * 256)
    sha1 = csrs.algorithm("1.2.840.113549.1.1.5", csrs.tlv(csrs.NULL))
    sha256 = csrs.RSA_WITH_SHA256

    def broken(spki: bytes, algorithm: bytes, signature: bytes | None, version: int = 0) -> bytes:
        return csrs.make(
            key=good,
            subject=bad_name,
            spki=spki,
            version=csrs.integer(version),
            signature_algorithm=algorithm,
            signature=signature,
        )

    dsa = csrs.tlv(csrs.SEQUENCE, csrs.algorithm("1.2.840.10040.4.1"), csrs.bit_string(b"\1" * 64))
    assert refused(broken(dsa, sha1, garbage, version=1) + b"x" * 16384) == "CSR_TOO_LARGE"
    assert refused(broken(dsa, sha1, garbage, version=1) + b"x") == "CSR_NOT_ALONE"
    assert refused(broken(dsa, sha1, garbage, version=1)) == "CSR_MALFORMED"
    assert refused(broken(dsa, sha1, garbage)) == "PUBLIC_KEY_NOT_ALLOWED"
    assert refused(broken(csrs.spki_of(weak), sha1, garbage)) == "SIGNATURE_ALGORITHM_NOT_ALLOWED"
    assert refused(broken(csrs.spki_of(weak), sha256, garbage)) == "PUBLIC_KEY_WEAK"
    assert refused(broken(csrs.spki_of(good), sha256, garbage)) == "CSR_SIGNATURE_INVALID"
    assert refused(broken(csrs.spki_of(good), sha256, None)) == "REGISTRATION_ID_INVALID"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(CANARY.encode(), id="text"),
        pytest.param(f"-----BEGIN {CANARY}-----\n-----END {CANARY}-----\n".encode(), id="label"),
        pytest.param(csrs.pem(csrs.make()) + CANARY.encode(), id="after PEM"),
        pytest.param(csrs.make() + CANARY.encode(), id="after DER"),
        pytest.param(f"-----BEGIN {CANARY} PRIVATE KEY-----".encode(), id="key"),
        pytest.param(csrs.make(CANARY + "!"), id="common name"),
        pytest.param(csrs.make(subject=csrs.name(csrs.common_name(CANARY, csrs.IA5_STRING))), id="common name's type"),
        pytest.param(csrs.make(subject=csrs.name(*[csrs.common_name(CANARY)] * 2)), id="two common names"),
        pytest.param(csrs.make(CANARY, signature=csrs.bit_string(CANARY.encode())), id="signature"),
        pytest.param(csrs.make(CANARY, attributes=csrs.tlv(0xA0, CANARY.encode())), id="attributes"),
        pytest.param(csrs.make(CANARY, spki=csrs.ec_spki(b"\4" + CANARY.ljust(64).encode())), id="point"),
        pytest.param(csrs.make(CANARY, version=csrs.integer(987654321)), id="version"),
        pytest.param(csrs.make(signature_algorithm=csrs.algorithm("1.2.987654321")), id="signature algorithm"),
        pytest.param(
            csrs.make(spki=csrs.tlv(csrs.SEQUENCE, csrs.algorithm("1.2.987654321"), csrs.bit_string(b"\1"))),
            id="key algorithm",
        ),
    ],
)
def test_a_refusal_repeats_nothing_of_the_input(data: bytes, checker: CsrChecker) -> None:
    """Neither its message nor any exception behind it holds what was sent."""
    with pytest.raises(Refused) as caught:
        checker.check(data)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    assert error.__cause__ is None
    said = f"{error!s} {error!r} {error.message} {dict(error.metadata)}"
    assert CANARY not in said
    assert "987654321" not in said


def test_a_panic_of_the_library_is_a_refusal(checker: CsrChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyo3 raises a BaseException when Rust panics: no known CSR does that; one that did must not end the service."""
    panic = type("PanicException", (BaseException,), {})

    def panics(_: bytes) -> NoReturn:
        raise panic

    with monkeypatch.context() as patched:
        patched.setattr(library, "load_der_public_key", panics)
        assert reason_of(checker, csrs.make()) == "PUBLIC_KEY_NOT_ALLOWED"
    with monkeypatch.context() as patched:
        patched.setattr(x509, "load_der_x509_csr", panics)
        assert reason_of(checker, csrs.make()) == "CSR_MALFORMED"


def test_an_interrupt_is_no_refusal(checker: CsrChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the library's passes through."""

    def interrupts(_: bytes) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "load_der_public_key", interrupts)
    with pytest.raises(KeyboardInterrupt):
        checker.check(csrs.make())
