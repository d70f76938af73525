"""Names of the algorithms that a refusal may meet, so that it can say what was wrong without repeating the input.

Keys are content octets of OBJECT IDENTIFIERs. What is allowed stands in `public_keys` and `signatures`.
"""

from collections.abc import Mapping
from typing import Final

from linecert_service.csr.der import object_identifier

RSA_ENCRYPTION: Final = object_identifier("1.2.840.113549.1.1.1")
EC_PUBLIC_KEY: Final = object_identifier("1.2.840.10045.2.1")
COMMON_NAME: Final = object_identifier("2.5.4.3")


def _table(names: Mapping[str, str]) -> Mapping[bytes, str]:
    return {object_identifier(dotted): name for dotted, name in names.items()}


KEY_ALGORITHMS: Final = _table(
    {
        "1.2.840.113549.1.1.7": "RSAES-OAEP",
        "1.2.840.113549.1.1.10": "RSASSA-PSS",
        "1.2.840.10040.4.1": "DSA",
        "1.2.840.113549.1.3.1": "Diffie-Hellman",
        "1.2.840.10046.2.1": "Diffie-Hellman",
        "1.3.132.1.12": "ECDH",
        "1.3.101.110": "X25519",
        "1.3.101.111": "X448",
        "1.3.101.112": "Ed25519",
        "1.3.101.113": "Ed448",
        "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
    }
)
"""Algorithms of public keys beside rsaEncryption and id-ecPublicKey."""

CURVES: Final = _table(
    {
        "1.2.840.10045.3.1.1": "P-192",
        "1.3.132.0.33": "P-224",
        "1.2.840.10045.3.1.7": "P-256",
        "1.3.132.0.34": "P-384",
        "1.3.132.0.35": "P-521",
        "1.3.132.0.10": "secp256k1",
        "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
        "1.2.156.10197.1.301": "SM2",
    }
)
"""Named curves (RFC 5480, RFC 5639, SEC 2)."""

SIGNATURE_ALGORITHMS: Final = _table(
    {
        "1.2.840.113549.1.1.2": "MD2 with RSA",
        "1.2.840.113549.1.1.3": "MD4 with RSA",
        "1.2.840.113549.1.1.4": "MD5 with RSA",
        "1.2.840.113549.1.1.5": "SHA-1 with RSA",
        "1.3.14.3.2.29": "SHA-1 with RSA",
        "1.2.840.113549.1.1.14": "SHA-224 with RSA",
        "1.2.840.113549.1.1.11": "SHA-256 with RSA",
        "1.2.840.113549.1.1.12": "SHA-384 with RSA",
        "1.2.840.113549.1.1.13": "SHA-512 with RSA",
        "2.16.840.1.101.3.4.3.13": "SHA3-224 with RSA",
        "2.16.840.1.101.3.4.3.14": "SHA3-256 with RSA",
        "2.16.840.1.101.3.4.3.15": "SHA3-384 with RSA",
        "2.16.840.1.101.3.4.3.16": "SHA3-512 with RSA",
        "1.2.840.113549.1.1.10": "RSASSA-PSS",
        "1.2.840.10040.4.3": "SHA-1 with DSA",
        "2.16.840.1.101.3.4.3.1": "SHA-224 with DSA",
        "2.16.840.1.101.3.4.3.2": "SHA-256 with DSA",
        "1.2.840.10045.4.1": "SHA-1 with ECDSA",
        "1.2.840.10045.4.3.1": "SHA-224 with ECDSA",
        "1.2.840.10045.4.3.2": "SHA-256 with ECDSA",
        "1.2.840.10045.4.3.3": "SHA-384 with ECDSA",
        "1.2.840.10045.4.3.4": "SHA-512 with ECDSA",
        "2.16.840.1.101.3.4.3.9": "SHA3-224 with ECDSA",
        "2.16.840.1.101.3.4.3.10": "SHA3-256 with ECDSA",
        "2.16.840.1.101.3.4.3.11": "SHA3-384 with ECDSA",
        "2.16.840.1.101.3.4.3.12": "SHA3-512 with ECDSA",
        "1.3.101.112": "Ed25519",
        "1.3.101.113": "Ed448",
        "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
        "1.2.156.10197.1.501": "SM3 with SM2",
    }
)
"""Algorithms of signatures (RFC 8017, RFC 5758, NIST CSOR)."""
