"""Run as a program: makes a key pair in a SoftHSM token, as an operator would: it cannot leave the token.

    softhsm_keys.py MODULE TOKEN PIN KIND LABEL ID [ATTRIBUTE ...]

ATTRIBUTE is one that is true of the private key, or ALONE: the public half is removed from the token. Prints the public
key as PEM. A process of its own, since a module is started once in each.
"""

import sys
from collections.abc import Sequence
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "P-256": ("secp256r1", ec.SECP256R1()),
    "P-384": ("secp384r1", ec.SECP384R1()),
    "P-521": ("secp521r1", ec.SECP521R1()),
}
ALONE = "ALONE"


def main(arguments: Sequence[str]) -> None:
    """Make a key pair."""
    module, token, pin, kind, label, identifier, *attributes = arguments
    with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
        changes = {Attribute[name]: True for name in attributes if name != ALONE}
        private = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True, **changes}
        options: dict[str, Any] = {"store": True, "label": label, "id": bytes.fromhex(identifier)}
        options["private_template"] = private
        if kind in CURVES:
            name, _ = CURVES[kind]
            parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(name)}
            domain = session.create_domain_parameters(KeyType.EC, parameters, local=True)
            public, _ = domain.generate_keypair(**options)
        else:
            public, _ = session.generate_keypair(KeyType.RSA, int(kind.removeprefix("RSA-")), **options)
        key = _ec(public, kind) if kind in CURVES else _rsa(public)
        if ALONE in attributes:
            public.destroy()
        sys.stdout.write(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _ec(public: Any, kind: str) -> ec.EllipticCurvePublicKey:
    _, curve = CURVES[kind]
    size = 1 + 2 * ((curve.key_size + 7) // 8)
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(public[Attribute.EC_POINT])[-size:])


def _rsa(public: Any) -> rsa.RSAPublicKey:
    exponent, modulus = (int.from_bytes(public[name]) for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


if __name__ == "__main__":
    main(sys.argv[1:])
