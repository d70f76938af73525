"""A certificate profile, prepared: what does not depend on the device is encoded once."""

from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linecert_service.issuance.issuer import Issuer

_SUBJECT_OIDS: Final = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
}


class Profile:
    """What a device certificate of this profile looks like. Durations in seconds, times in seconds since 1970.

    Args:
        name: as in `[profiles.NAME]`.
        issuer: who signs.
        validity: how long, where the request does not say; None with `not_after`.
        max_validity: the most that a request may ask for; None with `not_after`.
        not_after: a fixed end instead.
        backdate: how far notBefore lies in the past.
        clamp: end with the issuer, instead of refusing, when it ends earlier.
        key_types: the device keys that it takes, such as `P-256`.
        subject: attributes before the common name, by their short names, in their order.
    """

    def __init__(
        self,
        name: str,
        issuer: Issuer,
        *,
        validity: int | None,
        max_validity: int | None,
        not_after: int | None,
        backdate: int,
        clamp: bool,
        key_types: tuple[str, ...],
        subject: Mapping[str, str],
    ) -> None:
        self.name = name
        self.issuer = issuer
        self.validity = validity
        self.max_validity = max_validity
        self.not_after = not_after
        self.backdate = backdate
        self.clamp = clamp
        self.key_types = key_types
        self._subject = tuple(x509.NameAttribute(_SUBJECT_OIDS[short], value) for short, value in subject.items())
        self._extensions = {rsa: self._static_extensions(rsa=rsa) for rsa in (False, True)}
        self._builders = {rsa: self._builder(extensions) for rsa, extensions in self._extensions.items()}

    def subject(self, registration_id: str) -> x509.Name:
        """The subject: the profile's attributes, then the common name, as UTF8String."""
        return x509.Name([*self._subject, x509.NameAttribute(NameOID.COMMON_NAME, registration_id)])

    def extensions(
        self, key_identifier: x509.SubjectKeyIdentifier, *, rsa: bool
    ) -> list[x509.Extension[x509.ExtensionType]]:
        """All extensions of a certificate, in their order; `rsa` tells the kind of the device's key."""
        return [*self._extensions[rsa], _extension(key_identifier, critical=False)]

    def builder(self, *, rsa: bool) -> x509.CertificateBuilder:
        """A builder that has the issuer and all extensions but the subject key identifier. Immutable: add and go on."""
        return self._builders[rsa]

    def _static_extensions(self, *, rsa: bool) -> tuple[x509.Extension[x509.ExtensionType], ...]:
        return (
            _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
            _extension(_key_usage(key_encipherment=rsa), critical=True),
            _extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False),
            _extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.issuer.key_identifier),
                critical=False,
            ),
        )

    def _builder(self, extensions: tuple[x509.Extension[x509.ExtensionType], ...]) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().issuer_name(self.issuer.certificate.subject)
        for extension in extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
        return builder


def _extension(value: x509.ExtensionType, *, critical: bool) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _key_usage(*, key_encipherment: bool) -> x509.KeyUsage:
    """digitalSignature; with keyEncipherment for RSA, whose key exchange of TLS 1.2 needs it (RFC 5246, 7.4.6)."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
