"""What may stand around a CSR: nothing."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from linecert_service.csr.checker import CsrChecker
from linecert_service.csr.encoding import MAX_SIZE, to_der
from support import csrs

Refusal = Callable[[bytes], str]


@pytest.fixture(scope="module")
def der() -> bytes:
    """A good CSR."""
    return csrs.make()


@pytest.fixture(scope="module")
def pem(der: bytes) -> bytes:
    """The same in PEM."""
    return csrs.pem(der)


def private_key(
    encoding: Encoding,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
    key_type: str = "P-256",
) -> bytes:
    """A private key in one of its many forms."""
    return csrs.key(key_type).private_bytes(encoding, form, encryption or NoEncryption())


def certificate(encoding: Encoding) -> bytes:
    """A certificate, self-signed."""
    return csrs.self_signed_certificate().public_bytes(encoding)


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(csrs.pem, id="LF"),
        pytest.param(lambda der: csrs.pem(der, newline="\r\n"), id="CRLF"),
        pytest.param(lambda der: csrs.pem(der, newline="\r"), id="CR"),
        pytest.param(lambda der: csrs.pem(der, label="NEW CERTIFICATE REQUEST"), id="old label"),
        pytest.param(lambda der: csrs.pem(der).rstrip(), id="no final newline"),
        pytest.param(lambda der: b"\n \t\r\n" + csrs.pem(der) + b"\n\n  \r\n", id="white space around"),
        pytest.param(lambda der: csrs.pem(der).replace(b"\n", b" \t\n"), id="white space at line ends"),
        pytest.param(
            lambda der: (
                b"-----BEGIN CERTIFICATE REQUEST-----\n"
                + base64.b64encode(der)
                + b"\n-----END CERTIFICATE REQUEST-----\n"
            ),
            id="one long line",
        ),
        pytest.param(lambda der: der, id="DER"),
    ],
)
def test_a_csr_alone_is_taken(framed: Callable[[bytes], bytes], der: bytes) -> None:
    """DER as it is, and one PEM block in all its usual dresses, give the same DER."""
    assert to_der(framed(der)) == der


def test_der_that_holds_the_words_of_pem_is_der(checker: CsrChecker) -> None:
    """A CSR in DER may carry a PEM block of a certificate in an attribute, which is dropped."""
    text = csrs.tlv(csrs.UTF8_STRING, b"-----BEGIN CERTIFICATE-----")
    attribute = csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3.4"), csrs.tlv(csrs.SET, text))
    data = csrs.make(attributes=csrs.tlv(csrs.ATTRIBUTES, attribute))
    assert checker.check(data).registration_id == "device-01"


def test_an_empty_csr_is_refused(refused: Refusal) -> None:
    """Nothing, and nothing but white space."""
    assert refused(b"") == "CSR_MALFORMED"
    assert refused(b" \r\n") == "CSR_MALFORMED"


def test_the_largest_csr_is_taken_and_a_larger_one_refused(checker: CsrChecker, refused: Refusal) -> None:
    """16 KiB is the limit, to the byte."""

    def padded(size: int) -> bytes:
        value = csrs.tlv(csrs.SET, csrs.tlv(csrs.OCTET_STRING, b"x" * size))
        attribute = csrs.tlv(csrs.SEQUENCE, csrs.oid("1.2.3.4"), value)
        signature = csrs.bit_string(b"\0" * 64)
        return csrs.make(attributes=csrs.tlv(csrs.ATTRIBUTES, attribute), signature=signature)

    size = 16000
    exact = padded(size + MAX_SIZE - len(padded(size)))
    assert len(exact) == MAX_SIZE
    assert refused(exact) == "CSR_SIGNATURE_INVALID"
    assert refused(exact + b"\n") == "CSR_TOO_LARGE"
    assert checker.check(csrs.pem(csrs.make()) + b"\n" * 8000).registration_id == "device-01"


def test_size_comes_before_everything_else(refused: Refusal, pem: bytes) -> None:
    """What is too large is not even searched for a key."""
    assert refused(pem + private_key(Encoding.PEM) + b"\n" * MAX_SIZE) == "CSR_TOO_LARGE"


@pytest.mark.parametrize("cased", [bytes.upper, bytes.lower, bytes.title, bytes.swapcase])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_private_key_beside_the_csr_is_refused(
    cased: Callable[[bytes], bytes], *, before: bool, refused: Refusal, pem: bytes
) -> None:
    """In either place, whatever case its label is in."""
    key = private_key(Encoding.PEM).replace(b"PRIVATE KEY", cased(b"Private Key"))
    assert refused(key + pem if before else pem + key) == "CSR_NOT_ALONE"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param((Encoding.PEM, PrivateFormat.PKCS8), id="PKCS#8"),
        pytest.param((Encoding.PEM, PrivateFormat.TraditionalOpenSSL), id="SEC 1"),
        pytest.param((Encoding.PEM, PrivateFormat.TraditionalOpenSSL, None, "RSA-2048"), id="PKCS#1"),
        pytest.param((Encoding.PEM, PrivateFormat.OpenSSH), id="OpenSSH"),
        pytest.param((Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")), id="PKCS#8 encrypted"),
        pytest.param((Encoding.DER, PrivateFormat.PKCS8), id="PKCS#8 DER"),
        pytest.param((Encoding.DER, PrivateFormat.PKCS8, None, "Ed25519"), id="PKCS#8 DER Ed25519"),
        pytest.param((Encoding.DER, PrivateFormat.TraditionalOpenSSL), id="SEC 1 DER"),
        pytest.param((Encoding.DER, PrivateFormat.TraditionalOpenSSL, None, "RSA-2048"), id="PKCS#1 DER"),
        pytest.param((Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")), id="PKCS#8 DER encrypted"),
    ],
)
def test_a_private_key_instead_of_the_csr_is_refused(
    key: tuple[Encoding, PrivateFormat], refused: Refusal, der: bytes
) -> None:
    """In PEM, in DER, before DER and in a block that calls itself a CSR."""
    data = private_key(*key)
    assert refused(data) == "CSR_NOT_ALONE"
    assert refused(der + data) == "CSR_NOT_ALONE"
    assert refused(csrs.pem(data)) == "CSR_NOT_ALONE"


def test_a_pkcs12_file_is_refused(refused: Refusal) -> None:
    """A .pfx holds a private key."""
    store = pkcs12.serialize_key_and_certificates(
        b"n", csrs.key(), csrs.self_signed_certificate(), None, BestAvailableEncryption(b"p")
    )
    assert refused(store) == "CSR_NOT_ALONE"


def test_the_words_private_key_inside_the_csr_are_refused(refused: Refusal) -> None:
    """Also where base64 hides them: an attribute that carries a key in PEM."""
    attribute = csrs.tlv(
        csrs.SEQUENCE,
        csrs.oid("1.2.840.113549.1.9.7"),
        csrs.tlv(csrs.SET, csrs.tlv(csrs.UTF8_STRING, private_key(Encoding.PEM))),
    )
    der = csrs.make(attributes=csrs.tlv(csrs.ATTRIBUTES, attribute))
    assert refused(der) == "CSR_NOT_ALONE"
    assert refused(csrs.pem(der)) == "CSR_NOT_ALONE"


def test_a_certificate_instead_of_the_csr_is_refused(refused: Refusal) -> None:
    """In PEM, in DER, and in a block that calls itself a CSR."""
    assert refused(certificate(Encoding.PEM)) == "CSR_MALFORMED"
    assert refused(certificate(Encoding.DER)) == "CSR_MALFORMED"
    assert refused(csrs.pem(certificate(Encoding.DER))) == "CSR_MALFORMED"


def test_a_public_key_instead_of_the_csr_is_refused(refused: Refusal) -> None:
    """In PEM and DER: it is no secret, but no CSR."""
    public = csrs.key("RSA-2048").public_key()
    for form in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1):
        assert refused(public.public_bytes(Encoding.PEM, form)) == "CSR_MALFORMED"
        assert refused(public.public_bytes(Encoding.DER, form)) == "CSR_MALFORMED"


def test_a_certificate_beside_the_csr_is_refused(refused: Refusal, pem: bytes) -> None:
    """Before it and after it."""
    assert refused(pem + certificate(Encoding.PEM)) == "CSR_NOT_ALONE"
    assert refused(certificate(Encoding.PEM) + pem) == "CSR_NOT_ALONE"


def test_a_second_csr_is_refused(refused: Refusal, pem: bytes, der: bytes) -> None:
    """The same twice, as PEM, as DER and mixed."""
    for data in (pem + pem, der + der, pem + der, der + pem, csrs.pem(der + der)):
        assert refused(data) == "CSR_NOT_ALONE"


def test_a_second_block_that_was_never_ended_is_refused(refused: Refusal, pem: bytes) -> None:
    """The beginning of a block is enough."""
    assert refused(pem + b"-----BEGIN CERTIFICATE-----\nMII") == "CSR_NOT_ALONE"


@pytest.mark.parametrize(
    "text", [b"Certificate Request:\n", b"0", b"\xef\xbb\xbf", b"-", b"\0"], ids=["text", "digit", "BOM", "dash", "NUL"]
)
def test_text_before_the_block_is_refused(text: bytes, refused: Refusal, pem: bytes) -> None:
    """As `openssl req -text` writes it, or an editor's byte order mark."""
    assert refused(text + pem) == "CSR_NOT_ALONE"


@pytest.mark.parametrize("text", [b"\0", b"device-01", b"-"], ids=["NUL", "text", "dash"])
def test_text_after_the_block_is_refused(text: bytes, refused: Refusal, pem: bytes) -> None:
    """A sixth dash and the NUL of a C string, too."""
    assert refused(pem.rstrip() + text) == "CSR_NOT_ALONE"


@pytest.mark.parametrize("trailing", [b"\n", b"\0", b"\0\0", b"text"])
def test_bytes_after_the_der_are_refused(trailing: bytes, refused: Refusal, der: bytes) -> None:
    """One byte is enough, white space and an end-of-contents included; inside PEM as well."""
    assert refused(der + trailing) == "CSR_NOT_ALONE"
    assert refused(csrs.pem(der + trailing)) == "CSR_NOT_ALONE"


def test_a_csr_that_is_cut_off_is_refused(refused: Refusal, der: bytes, pem: bytes) -> None:
    """Wherever it was cut."""
    for size in range(1, len(der)):
        assert refused(der[:size]) == "CSR_MALFORMED"
    end = pem.index(b"\n-----END CERTIFICATE REQUEST-----") + len(b"\n-----END CERTIFICATE REQUEST-----")
    for size in range(1, end):
        assert refused(pem[:size]) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"hello", id="text"),
        pytest.param(b"0", id="one zero"),
        pytest.param(b"00000", id="zeros"),
        pytest.param(b"\x30\x00", id="empty SEQUENCE"),
        pytest.param(b"\x31\x82\x01\x00" + b"x" * 256, id="SET"),
        pytest.param(b"\n" + csrs.tlv(csrs.SEQUENCE, b"\x30\x00" * 100), id="white space before DER"),
        pytest.param(b"MIIBIjCB", id="base64 without a block"),
        pytest.param(b"-----BEGIN CERTIFICATE REQUEST-----", id="BEGIN alone"),
        pytest.param(b"-----BEGIN CERTIFICATE REQUEST-----\n\n-----END CERTIFICATE REQUEST-----\n", id="empty block"),
        pytest.param(b"\xff\xfe" + "-----BEGIN".encode("utf-16-le"), id="UTF-16"),
    ],
)
def test_what_is_no_csr_at_all_is_refused(data: bytes, refused: Refusal) -> None:
    """Neither PEM nor DER."""
    assert refused(data) == "CSR_MALFORMED"


@pytest.mark.parametrize(
    "old, new",
    [
        pytest.param(b"END CERTIFICATE REQUEST", b"END NEW CERTIFICATE REQUEST", id="another END label"),
        pytest.param(b"CERTIFICATE REQUEST", b"X509 REQUEST", id="unknown label"),
        pytest.param(b"CERTIFICATE REQUEST", b"certificate request", id="lower-case label"),
        pytest.param(b"BEGIN CERTIFICATE REQUEST-----\n", b"BEGIN CERTIFICATE REQUEST-----", id="joined BEGIN line"),
        pytest.param(b"\n-----END", b"-----END", id="joined END line"),
        pytest.param(b"\n", b"\\n", id="escaped newlines"),
        pytest.param(b"REQUEST-----\nM", b"REQUEST-----\nProc-Type: 4\n\nM", id="headers"),
        pytest.param(b"REQUEST-----\nM", b"REQUEST-----\n!", id="no base64"),
        pytest.param(b"REQUEST-----\nM", b"REQUEST-----\n=", id="padding first"),
        pytest.param(b"REQUEST-----\nM", b"REQUEST-----\n", id="one character missing"),
    ],
)
def test_a_broken_block_is_refused(old: bytes, new: bytes, refused: Refusal, pem: bytes) -> None:
    """Labels must match and the body must be base64."""
    assert refused(pem.rstrip().replace(old, new)) == "CSR_MALFORMED"


def test_ber_is_refused(refused: Refusal, der: bytes) -> None:
    """An indefinite length, and one with more octets than it needs."""
    body = der[2 + (der[1] & 0x7F) :]
    assert refused(b"\x30\x80" + body + b"\0\0") == "CSR_MALFORMED"
    assert refused(b"\x30\x83" + len(body).to_bytes(3, "big") + body) == "CSR_MALFORMED"
    assert refused(b"\x30\x84" + len(body).to_bytes(4, "big") + body) == "CSR_MALFORMED"


def test_a_length_of_gigabytes_is_refused(refused: Refusal) -> None:
    """A stated length reserves nothing."""
    assert refused(b"\x30\x84\xff\xff\xff\xff") == "CSR_MALFORMED"
    assert refused(b"\x30\x88" + b"\x7f" * 8) == "CSR_MALFORMED"


def test_deep_nesting_is_refused(refused: Refusal) -> None:
    """Thousands of SEQUENCEs in one another neither recurse nor cost time."""
    nested = b""
    while len(nested) < MAX_SIZE - 8:
        nested = csrs.tlv(csrs.SEQUENCE, nested)
    assert refused(nested) == "CSR_MALFORMED"
