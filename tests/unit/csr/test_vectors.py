"""The strange inputs that pyca/cryptography tests itself with (package cryptography-vectors)."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from linecert.contract import refusal
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.errors import Refused
from support import csrs

VECTORS = Path(cryptography_vectors.__file__).parent
REQUESTS = VECTORS / "x509" / "requests"

EXPECTED = {
    "bad-version.pem": "CSR_MALFORMED",
    "basic_constraints.pem": "CSR_NOT_ALONE",
    "challenge-invalid.der": "CSR_SIGNATURE_INVALID",
    "challenge-multi-valued.der": "CSR_SIGNATURE_INVALID",
    "challenge-unstructured.pem": "something",
    "challenge.pem": "REGISTRATION_ID_INVALID",
    "dsa_sha1.der": "PUBLIC_KEY_NOT_ALLOWED",
    "dsa_sha1.pem": "PUBLIC_KEY_NOT_ALLOWED",
    "ec_sha256.der": "cryptography.io",
    "ec_sha256.pem": "cryptography.io",
    "ec_sha256_old_header.pem": "cryptography.io",
    "freeipa-bad-critical.pem": "replica1.ipa.test",
    "invalid_signature.pem": "PUBLIC_KEY_NOT_ALLOWED",
    "long-form-attribute.pem": "CSR_SIGNATURE_INVALID",
    "rsa_md4.der": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "rsa_md4.pem": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "rsa_sha1.der": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "rsa_sha1.pem": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "rsa_sha256.der": "cryptography.io",
    "rsa_sha256.pem": "cryptography.io",
    "san_rsa_sha1.der": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "san_rsa_sha1.pem": "SIGNATURE_ALGORITHM_NOT_ALLOWED",
    "two_basic_constraints.pem": "CSR_NOT_ALONE",
    "unsupported_extension.pem": "CSR_NOT_ALONE",
    "unsupported_extension_critical.pem": "CSR_NOT_ALONE",
    "zero-element-attribute.pem": "mitel.blonay.ch",
}
"""The registration ID, or the reason of the refusal. What is CSR_NOT_ALONE has text before its block."""


def outcome(checker: CsrChecker, data: bytes) -> str:
    """The registration ID, or the reason of the refusal."""
    try:
        return checker.check(data).registration_id
    except Refused as error:
        return refusal(error.reason).name


def public_keys() -> Iterator[tuple[Path, PublicKeyTypes]]:
    """Every public key among the vectors that the library can read."""
    for path in sorted((VECTORS / "asymmetric").rglob("*pub*")):
        for load in (load_pem_public_key, load_der_public_key):
            with contextlib.suppress(ValueError, UnsupportedAlgorithm, OSError):
                yield path, load(path.read_bytes())


def allowed(key: PublicKeyTypes) -> bool:
    """Whether a device may have such a key, as the library sees it."""
    match key:
        case ec.EllipticCurvePublicKey():
            return key.curve.name in {"secp256r1", "secp384r1"}
        case rsa.RSAPublicKey():
            return key.key_size in {2048, 3072, 4096} and key.public_numbers().e == 65537
        case _:
            return False


@pytest.mark.parametrize("path", sorted(REQUESTS.iterdir()), ids=lambda path: path.name)
def test_each_csr_of_the_vectors_has_its_outcome(path: Path, checker: CsrChecker) -> None:
    """A CSR that a newer package brings must at least be refused or taken; those known here, as written down."""
    result = outcome(checker, path.read_bytes())
    assert result == EXPECTED.get(path.name, result)


@pytest.mark.parametrize("folder", ["x509", "asymmetric", "pkcs7", "pkcs12"])
def test_no_other_file_of_the_vectors_is_a_csr(folder: str, refused: Callable[[bytes], str]) -> None:
    """Certificates, CRLs, keys of all kinds, PKCS#7 and PKCS#12, in PEM and DER: each is refused for what it is."""
    suffixes = {".pem", ".der", ".crt", ".key", ".pub", ".p12", ".cer", ".p7b"}
    files = [path for path in (VECTORS / folder).rglob("*") if path.suffix in suffixes and REQUESTS not in path.parents]
    assert files
    for path in files:
        assert refused(path.read_bytes()) in {"CSR_MALFORMED", "CSR_NOT_ALONE", "CSR_TOO_LARGE"}, path


def test_every_private_key_of_the_vectors_is_not_alone(refused: Callable[[bytes], str]) -> None:
    """Whatever form it has: the reason tells the station what it did."""
    files = [
        path
        for folder in ("PKCS8", "PEM_Serialization", "Traditional_OpenSSL_Serialization", "OpenSSH")
        for path in (VECTORS / "asymmetric" / folder).iterdir()
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    ]
    assert len(files) > 50
    for path in files:
        assert refused(path.read_bytes()) == "CSR_NOT_ALONE", path


@pytest.mark.filterwarnings("ignore:Diffie-Hellman")
def test_each_public_key_of_the_vectors_has_a_right_reason(refused: Callable[[bytes], str]) -> None:
    """Put into a CSR that nobody signed: refused for the key or, where a device may have it, for the signature."""
    keys = list(public_keys())
    assert len(keys) > 20
    for path, key in keys:
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        data = csrs.make(spki=spki, signature=csrs.bit_string(b"\1" * 256))
        assert refused(data) == ("CSR_SIGNATURE_INVALID" if allowed(key) else "PUBLIC_KEY_NOT_ALLOWED"), path
