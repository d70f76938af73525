"""Which public keys a device may have: RSA 2048, 3072, 4096 with e = 65537, P-256 and P-384.

The DER of such a SubjectPublicKeyInfo is the same but for the modulus or the point, so the allow-list is a list of
encodings, and what does not fit is not allowed. That settles at once what the library hides: parameters that spell a
curve out, compressed and hybrid points, an RSASSA-PSS key, a negative modulus.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from linecert_service.csr import key_diagnosis

Family = Literal["RSA", "EC"]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of an allowed form.

    Attributes:
        key_type: `P-256`, `P-384`, `RSA-2048`, `RSA-3072` or `RSA-4096`.
        family: `RSA` or `EC`.
        modulus: of RSA; 0 for EC.
    """

    key_type: str
    family: Family
    modulus: int


@dataclass(frozen=True, slots=True)
class _Form:
    key_type: str
    family: Family
    prefix: bytes
    suffix: bytes


_RSA_EXPONENT: Final = bytes.fromhex("0203 010001")
_FORMS: Final[Mapping[int, _Form]] = {
    # SEQUENCE { AlgorithmIdentifier { id-ecPublicKey, curve }, BIT STRING, no unused bits, uncompressed point 04 }
    91: _Form("P-256", "EC", bytes.fromhex("3059 3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107 034200 04"), b""),
    120: _Form("P-384", "EC", bytes.fromhex("3076 3010 0607 2a8648ce3d0201 0605 2b81040022 036200 04"), b""),
    # SEQUENCE { AlgorithmIdentifier { rsaEncryption, NULL }, BIT STRING { SEQUENCE { modulus, exponent } } }; a modulus
    # of full length has its first bit set and so a leading zero octet.
    294: _Form(
        "RSA-2048",
        "RSA",
        bytes.fromhex("30820122 300d 0609 2a864886f70d010101 0500 0382010f 00 3082010a 02820101 00"),
        _RSA_EXPONENT,
    ),
    422: _Form(
        "RSA-3072",
        "RSA",
        bytes.fromhex("308201a2 300d 0609 2a864886f70d010101 0500 0382018f 00 3082018a 02820181 00"),
        _RSA_EXPONENT,
    ),
    550: _Form(
        "RSA-4096",
        "RSA",
        bytes.fromhex("30820222 300d 0609 2a864886f70d010101 0500 0382020f 00 3082020a 02820201 00"),
        _RSA_EXPONENT,
    ),
}
"""By the length of the SubjectPublicKeyInfo."""


def recognise(spki: bytes) -> PublicKey:
    """The key in a SubjectPublicKeyInfo. Whether a point lies on its curve is not yet known.

    Raises:
        Refused: PUBLIC_KEY_NOT_ALLOWED, or CSR_MALFORMED when this is no SubjectPublicKeyInfo.
    """
    form = _FORMS.get(len(spki))
    if form is None or not spki.startswith(form.prefix) or not spki.endswith(form.suffix):
        raise key_diagnosis.refusal(spki)
    if form.family == "EC":
        return PublicKey(form.key_type, form.family, 0)
    octets = spki[len(form.prefix) : -len(form.suffix)]
    if octets[0] < 0x80:  # noqa: PLR2004 -- the first bit
        raise key_diagnosis.refusal(spki)
    return PublicKey(form.key_type, form.family, int.from_bytes(octets, "big"))
