"""A certificate profile, prepared: what does not depend on the device is encoded once."""

from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.template import Template

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
        following: the same profile with the issuer that is to follow; None: none is staged.
        switch_at: from when on that one is in force; None: not by itself.
        named: the names of the issuers in the settings, also of one that was followed by another before; without it
            those of the issuers that are here.
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
        following: "Profile | None" = None,
        switch_at: int | None = None,
        named: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.issuer = issuer
        self.validity = validity
        self.max_validity = max_validity
        self.not_after = not_after
        self.backdate = backdate
        self.clamp = clamp
        self.key_types = key_types
        self.subject = subject
        self.following = following
        self.switch_at = switch_at
        self.named = named or (issuer.name, *((following.issuer.name,) if following else ()))
        attributes = tuple(x509.NameAttribute(_SUBJECT_OIDS[short], value) for short, value in subject.items())
        self._templates = {rsa: Template(issuer, attributes, self._extensions(rsa=rsa)) for rsa in (False, True)}

    def at(self, now: float) -> "Profile":
        """The profile that is in force at `now`: this one, or from `switch_at` on the one that follows."""
        if self.following is not None and self.switch_at is not None and now >= self.switch_at:
            return self.following
        return self

    def issuers_from(self, now: float) -> tuple[Issuer, ...]:
        """The issuer that signs at `now`, and the one that is staged to follow it, if there is one."""
        first = self.at(now)
        return (first.issuer,) if first.following is None else (first.issuer, first.following.issuer)

    def end(self, now: float) -> int:
        """When a certificate that is made at `now` ends where the request does not say, and its issuer does not before.

        notAfter is part of the validity (RFC 5280, section 4.1.2.5), hence the one second less.
        """
        return int(now) + self.validity - 1 if self.validity is not None else self.not_after or 0

    def template(self, key_type: str) -> Template:
        """The template for device keys of this type, such as `P-256`."""
        return self._templates[key_type.startswith("RSA")]

    def _extensions(self, *, rsa: bool) -> tuple[x509.Extension[x509.ExtensionType], ...]:
        return (
            _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
            _extension(_key_usage(key_encipherment=rsa), critical=True),
            _extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False),
            _extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self.issuer.key_identifier),
                critical=False,
            ),
        )


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
