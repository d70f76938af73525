"""What there is to know of the issuers without opening their keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.domain.key_identifiers import HTTPS_SCHEME
from linecert_service.installation import chains, issuer_requests
from linecert_service.installation.authorities import spki_sha256
from linecert_service.installation.issuer_chains import fingerprint
from linecert_service.installation.report import key_type
from linecert_service.setting_types import FILE_SCHEME
from linecert_service.signers.pkcs11.uri import SCHEME as PKCS11_SCHEME
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

IN_FILE: Final = "file"
IN_TOKEN: Final = "PKCS#11"  # noqa: S105 - no password
IN_VAULT: Final = "Azure Key Vault"


@dataclass(frozen=True, slots=True)
class KeyView:
    """Where a key is.

    Attributes:
        kind: IN_FILE, IN_TOKEN or IN_VAULT.
        place: which file, token or vault, for people.
        reference: as the settings have it.
    """

    kind: str
    place: str
    reference: str

    @classmethod
    def of(cls, reference: str) -> "KeyView":
        """From what the settings say."""
        if reference.startswith(HTTPS_SCHEME):
            return cls(IN_VAULT, reference, reference)
        if reference.startswith(PKCS11_SCHEME):
            return cls(IN_TOKEN, str(Pkcs11Uri.parse(reference)), reference)
        return cls(IN_FILE, str(Path(reference.removeprefix(FILE_SCHEME))), reference)


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A certificate of a chain."""

    certificate: x509.Certificate

    @property
    def subject(self) -> str:
        """As RFC 4514 writes it."""
        return self.certificate.subject.rfc4514_string()

    @property
    def sha256(self) -> str:
        """Of its DER, in hex."""
        return fingerprint(self.certificate).hex()

    @property
    def public_key_sha256(self) -> str:
        """Of its SubjectPublicKeyInfo, in hex."""
        return spki_sha256(self.certificate.public_key()).hex()

    @property
    def key_type(self) -> str:
        """Such as `P-256`."""
        return key_type(self.certificate)

    @property
    def path_length(self) -> int | None:
        """How many CAs it allows below it; None: any number."""
        try:
            return self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        except x509.ExtensionNotFound:
            return None


@dataclass(frozen=True, slots=True)
class IssuerView:
    """An issuer.

    Attributes:
        name: as in `[issuers.NAME]`.
        key: where its key is.
        chain: its certificate, those above it, the root last; empty where only its key is there yet.
        profiles: those that it signs for.
        staged_for: those that it is to sign for next.
    """

    name: str
    key: KeyView
    chain: tuple[CertificateView, ...] = ()
    profiles: tuple[str, ...] = ()
    staged_for: tuple[str, ...] = ()


def view(settings: Settings, now: float, name: str | None = None) -> list[IssuerView]:
    """The issuers of an installation, or the one of this name, and what they sign for at `now`.

    Raises:
        ConfigurationError: a chain cannot be read, or there is no such issuer.
    """
    found = [one for one in (*_installed(settings, now), *_requested(settings)) if name in {None, one.name}]
    if not found:
        raise ConfigurationError("there is no such issuer: `linecert-server issuer show` lists those that there are")
    return found


def _installed(settings: Settings, now: float) -> Iterator[IssuerView]:
    signing = {name: profile.issuers_from(now) for name, profile in settings.profiles.items()}
    for name, issuer in settings.issuers.items():
        chain = chains.read_certificates(issuer.chain, f"issuers.{name}.chain")
        yield IssuerView(
            name,
            KeyView.of(issuer.key),
            tuple(map(CertificateView, chain)),
            tuple(profile for profile, (first, *_) in signing.items() if first == name),
            tuple(profile for profile, (_, *staged) in signing.items() if name in staged),
        )


def _requested(settings: Settings) -> Iterator[IssuerView]:
    for name, entry in issuer_requests.pending(settings).items():
        if name not in settings.issuers:
            yield IssuerView(name, KeyView.of(entry.issuer(settings.folder, settings.folder).key))
