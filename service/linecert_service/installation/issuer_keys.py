"""Where a new issuer's key goes: a file, a token or a key vault, by the one string that the settings name it with."""

import dataclasses
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from linecert_service import toml_file
from linecert_service.config import Issuer
from linecert_service.domain.errors import ConfigurationError, SignerUnavailable
from linecert_service.domain.key_identifiers import HTTPS_SCHEME, KeyPlace
from linecert_service.installation import files
from linecert_service.installation.authorities import CaKeyType, new_key
from linecert_service.installation.credentials import private_pem
from linecert_service.installation.passphrases import given_passphrase, passphrase_of, pin_of
from linecert_service.setting_types import FILE_SCHEME
from linecert_service.signers.opening import as_sentence
from linecert_service.signers.pkcs11.uri import SCHEME as PKCS11_SCHEME
from linecert_service.signers.pkcs11.uri import Pkcs11Uri

_PASSPHRASE_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """The settings of `[issuers.NAME]` that say where its key is, as they stand in the TOML.

    Attributes:
        key: the key.
        passphrase_file: where its pass phrase is; None where it is not a file's, or comes from elsewhere.
        pin_file: where the PIN of its token is; None likewise.
    """

    key: str
    passphrase_file: str | None = None
    pin_file: str | None = None

    @classmethod
    def of(cls, issuer: Issuer) -> "KeyEntry":
        """That of an issuer of the settings, with absolute paths."""
        secrets_of = (issuer.passphrase_file, issuer.pin_file)
        return cls(issuer.key, *(str(path) if path else None for path in secrets_of))

    def settings(self) -> dict[str, str]:
        """What of it is set, by the names of the settings."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def issuer(self, folder: Path, chain: Path) -> Issuer:
        """The issuer of the settings that it makes with a chain; relative paths start at `folder`.

        Raises:
            ConfigurationError: a value has not its form.
        """
        values: dict[str, Any] = {**self.settings(), "chain": chain}
        try:
            return Issuer.model_validate(values, context={"folder": folder})
        except ValidationError as error:
            location, problem = toml_file.first_problem(error)
            raise ConfigurationError(f"--{toml_file.dotted(location).replace('_', '-')} {problem}") from None


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that is to be made.

    Attributes:
        name: of the issuer.
        entry: where it goes; a key vault's identifier is without a version.
        kind: of the key.
        in_hsm: whether a key vault is to keep it in hardware.
        folder: where relative paths start.
    """

    name: str
    entry: KeyEntry
    kind: CaKeyType
    in_hsm: bool
    folder: Path

    def make(self) -> KeyEntry:
        """Make it, and return what names it from now on.

        Raises:
            ConfigurationError: there is a key in its place already, or it cannot be made.
        """
        key = self.entry.key
        if self.in_hsm and not key.startswith(HTTPS_SCHEME):
            raise ConfigurationError("--hsm is for keys in Azure Key Vault: leave it out")
        if key.startswith(HTTPS_SCHEME):
            return self._in_vault()
        return self._in_token() if key.startswith(PKCS11_SCHEME) else self._in_file()

    def _in_file(self) -> KeyEntry:
        issuer = self._issuer()
        path = Path(issuer.key.removeprefix(FILE_SCHEME))
        if path.exists():
            raise ConfigurationError(f"{path} is there already: name a new file, or use its key with --existing")
        given = given_passphrase(self.name)
        entry = dataclasses.replace(self.entry, passphrase_file=None) if given else self.entry
        passphrase = given.value if given else self._passphrase_from_file(issuer)
        files.write_new(path, private_pem(new_key(self.kind), passphrase), files.PRIVATE)
        files.give_as(path.parent, path)
        return entry

    def _passphrase_from_file(self, issuer: Issuer) -> bytes:
        """The one that is there, or a new one."""
        file = issuer.passphrase_file
        if file is not None and not file.exists():
            files.write_new(file, secrets.token_urlsafe(_PASSPHRASE_OCTETS).encode() + b"\n", files.PRIVATE)
            files.give_as(file.parent, file)
        return passphrase_of(self.name, issuer).value

    def _in_token(self) -> KeyEntry:
        issuer = self._issuer()
        uri = Pkcs11Uri.parse(issuer.key)
        pin = pin_of(self.name, issuer, uri.pin_source)
        try:
            from linecert_service.signers.pkcs11.generation import generate_key  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _missing("pkcs11", error) from error
        generate_key(uri, pin.value.decode() if pin else None, self.kind, pin_from=pin.source if pin else "")
        return dataclasses.replace(self.entry, passphrase_file=None)

    def _in_vault(self) -> KeyEntry:
        try:
            place = KeyPlace.parse(self.entry.key)
        except ValueError as error:
            raise ConfigurationError(f"--key {error}") from None
        try:
            from linecert_service.signers.key_vault.creation import create_key  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _missing("keyvault", error) from error
        try:
            return KeyEntry(create_key(place, self.kind, in_hsm=self.in_hsm))
        except SignerUnavailable as fault:
            raise as_sentence(str(place), fault) from fault

    def _issuer(self) -> Issuer:
        # The chain does not matter yet.
        return self.entry.issuer(self.folder, self.folder)


def _missing(extra: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"--key needs the extra `{extra}` ({error.name} is missing): run `pip install 'linecert[server,{extra}]'`"
    )
