"""Which signatures a CSR may carry, and that they prove possession of the key."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.signatures import recognise
from linecert_service.domain.errors import Refused
from support import csrs

Refusal = Callable[[bytes], str]

SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
NULL = csrs.tlv(csrs.NULL)


@pytest.mark.parametrize("hash_name", ["MD5", "SHA-1", "SHA-224"])
def test_a_weak_hash_with_rsa_is_refused(hash_name: str, refused: Refusal) -> None:
    """MD5, SHA-1 and SHA-224, rightly signed (where the library still signs with them)."""
    signature = csrs.bit_string(b"\1" * 256) if hash_name == "MD5" else None
    algorithm = csrs.algorithm("1.2.840.113549.1.1.4", NULL) if hash_name == "MD5" else None
    data = csrs.make(key=csrs.key("RSA-2048"), hash_name=hash_name, signature=signature, signature_algorithm=algorithm)
    assert refused(data) == "SIGNATURE_ALGORITHM_NOT_ALLOWED"


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-224"])
def test_a_weak_hash_with_ecdsa_is_refused(hash_name: str, refused: Refusal) -> None:
    """SHA-1 and SHA-224, rightly signed."""
    assert refused(csrs.make(hash_name=hash_name)) == "SIGNATURE_ALGORITHM_NOT_ALLOWED"


def test_a_pss_signature_is_refused(refused: Refusal, openssl: Callable[[str], bytes]) -> None:
    """By an ordinary RSA key, rightly signed."""
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem")
    csr = openssl("req -new -key key.pem -subj /CN=device-01 -sigopt rsa_padding_mode:pss -sha256")
    assert refused(csr) == "SIGNATURE_ALGORITHM_NOT_ALLOWED"


@pytest.mark.parametrize(
    "algorithm",
    [
        pytest.param(csrs.algorithm("1.3.101.112"), id="Ed25519"),
        pytest.param(csrs.algorithm("2.16.840.1.101.3.4.3.10"), id="SHA3-256 with ECDSA"),
        pytest.param(csrs.algorithm("1.2.3.4"), id="unknown"),
        pytest.param(csrs.algorithm(ECDSA_WITH_SHA256, NULL), id="ECDSA with NULL"),
        pytest.param(csrs.algorithm(SHA256_WITH_RSA, csrs.integer(0)), id="RSA with a number"),
        pytest.param(csrs.algorithm(SHA256_WITH_RSA, NULL, NULL), id="RSA with NULL twice"),
        pytest.param(csrs.algorithm("1.2.840.113549.1.1.1", NULL), id="the algorithm of a key"),
    ],
)
def test_another_algorithm_is_refused(algorithm: bytes, refused: Refusal) -> None:
    """Unknown ones, and known ones with parameters that do not belong there."""
    assert refused(csrs.make(signature_algorithm=algorithm)) == "SIGNATURE_ALGORITHM_NOT_ALLOWED"


@pytest.mark.parametrize("algorithm", [csrs.tlv(csrs.SEQUENCE), csrs.tlv(csrs.SEQUENCE, NULL)])
def test_what_is_no_algorithm_identifier_is_malformed(algorithm: bytes, refused: Refusal) -> None:
    """It begins with an OBJECT IDENTIFIER."""
    assert refused(csrs.make(signature_algorithm=algorithm)) == "CSR_MALFORMED"


def test_rsa_without_parameters_is_taken(checker: CsrChecker) -> None:
    """RFC 4055, section 5: who reads must accept that NULL is absent."""
    data = csrs.make(key=csrs.key("RSA-2048"), signature_algorithm=csrs.algorithm(SHA256_WITH_RSA))
    assert checker.check(data).key_type == "RSA-2048"


@pytest.mark.parametrize("key_type", ["P-256", "P-384", "RSA-2048"])
def test_a_signature_by_another_key_is_refused(key_type: str, refused: Refusal) -> None:
    """The key in the CSR is not the one that signed it: no proof of possession."""
    data = csrs.make(key=csrs.key(key_type), spki=csrs.spki_of(csrs.key(key_type, 2)))
    assert refused(data) == "CSR_SIGNATURE_INVALID"


@pytest.mark.parametrize("key_type", ["P-256", "RSA-2048"])
def test_a_change_after_signing_is_refused(key_type: str, refused: Refusal) -> None:
    """Another common name of the same length."""
    data = csrs.make("device-01", csrs.key(key_type)).replace(b"device-01", b"device-02")
    assert refused(data) == "CSR_SIGNATURE_INVALID"


@pytest.mark.parametrize("key_type", ["P-256", "RSA-2048"])
@pytest.mark.parametrize(
    "signature", [b"", b"\0", b"\1" * 70, b"\0" * 256, b"\xff" * 256, b"\x30\x06\2\1\0\2\1\0", b"\x30\x06\2\1\1\2\1\1"]
)
def test_a_signature_of_garbage_is_refused(key_type: str, signature: bytes, refused: Refusal) -> None:
    """Empty, zero (CVE-2022-21449), all ones, too short and too long."""
    algorithm = csrs.ECDSA_WITH_SHA256 if key_type == "P-256" else csrs.RSA_WITH_SHA256
    data = csrs.make(key=csrs.key(key_type), signature=csrs.bit_string(signature), signature_algorithm=algorithm)
    assert refused(data) == "CSR_SIGNATURE_INVALID"


def test_an_algorithm_for_another_type_of_key_is_refused(refused: Refusal) -> None:
    """Each is allowed, but not together."""
    assert refused(csrs.make(signature_algorithm=csrs.RSA_WITH_SHA256)) == "CSR_SIGNATURE_INVALID"
    data = csrs.make(key=csrs.key("RSA-2048"), signature_algorithm=csrs.ECDSA_WITH_SHA256)
    assert refused(data) == "CSR_SIGNATURE_INVALID"


def test_another_hash_than_stated_is_refused(refused: Refusal) -> None:
    """Signed with SHA-384, stated as SHA-256."""
    assert refused(csrs.make(hash_name="SHA-384", signature_algorithm=csrs.ECDSA_WITH_SHA256)) == (
        "CSR_SIGNATURE_INVALID"
    )


def test_an_ecdsa_signature_in_ber_is_refused(refused: Refusal) -> None:
    """The same two numbers with a needless zero octet."""
    key = csrs.key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    good = csrs.make()
    info = csrs.info_of(good)
    r, s = utils.decode_dss_signature(key.sign(info, ec.ECDSA(hashes.SHA256())))
    padded = csrs.tlv(csrs.SEQUENCE, csrs.tlv(csrs.INTEGER, r.to_bytes(34)), csrs.integer(s))
    assert refused(csrs.make(info=info, signature=csrs.bit_string(padded))) == "CSR_SIGNATURE_INVALID"


def test_the_refusal_names_the_algorithm() -> None:
    """Where it is a known one."""
    with pytest.raises(Refused, match="signed with SHA-1 with RSA"):
        recognise(csrs.algorithm("1.2.840.113549.1.1.5", NULL))
    with pytest.raises(Refused, match="SHA-256 with ECDSA, with parameters"):
        recognise(csrs.algorithm(ECDSA_WITH_SHA256, NULL))
    with pytest.raises(Refused, match="an algorithm that is not known here"):
        recognise(csrs.algorithm("1.2.3.4"))
