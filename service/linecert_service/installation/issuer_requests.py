"""A new issuer's key and CSR, and what is remembered of them until the chain comes back.

`pki/NAME.request.toml` is written as soon as there is a key, so that none is made that nothing names.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import tomlkit
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service import toml_file
from linecert_service.config import Issuer, Settings
from linecert_service.domain.errors import ConfigurationError, LinecertError
from linecert_service.installation import chains, files, own_keys
from linecert_service.installation.authorities import distinguished_name, spki_sha256
from linecert_service.installation.issuer_keys import KeyEntry, KeyWish
from linecert_service.installation.issuer_signatures import CaKey, Record
from linecert_service.installation.layout import Layout

OpenLog: TypeAlias = contextlib.AbstractContextManager[Record]
"""Opens the log, or refuses to: before a key is made."""

_SUFFIX: Final = ".request.toml"
_HEADER: Final = """\
# A key that `linecert-server issuer request` made or used. `linecert-server issuer install {name} CHAIN.pem` takes this
# into linecert.toml and removes the file.
"""


@dataclass(frozen=True, slots=True)
class Requested:
    """A CSR.

    Attributes:
        request: the CSR.
        key: what it names as its key.
    """

    request: x509.CertificateSigningRequest
    key: KeyEntry

    @property
    def csr_sha256(self) -> str:
        """SHA-256 of its DER, in hex."""
        return hashlib.sha256(self.request.public_bytes(Encoding.DER)).hexdigest()

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 of its SubjectPublicKeyInfo, in hex."""
        return spki_sha256(self.request.public_key()).hex()


def request_new(settings: Settings, wish: KeyWish, *, subject: x509.Name | None, out: Path, log: OpenLog) -> Requested:
    """Make a key, and write a CSR for it.

    Raises:
        ConfigurationError: the name is taken, the log cannot be reached, or the key cannot be made or does not sign.
    """
    if wish.name in settings.issuers:
        raise ConfigurationError(
            f"issuers.{wish.name} is there already: choose another name for a new key, or ask for a new certificate of "
            "its key with --existing"
        )
    if (path := path_of(settings, wish.name)).exists():
        raise ConfigurationError(
            f"{path} names a key for {wish.name} already: install its chain, write its CSR again with --existing, or "
            "remove the file"
        )
    _check_out(out)
    with log as record:
        entry = wish.make()
        _remember(settings, wish.name, entry)
        try:
            with _opened(settings, wish.name, entry, record) as key:
                _refuse_as_device_key(settings, key)
                return _written(key, entry, subject or default_subject(settings, wish.name), out)
        except LinecertError as error:
            raise ConfigurationError(
                f"{error}; the key is made: when that is put right, write its CSR with --existing"
            ) from error


def request_existing(
    settings: Settings, name: str, key: KeyEntry | None, *, subject: x509.Name | None, out: Path, log: OpenLog
) -> Requested:
    """Write a CSR for a key that is there: the one named, the one asked for before, or that of the issuer.

    Raises:
        ConfigurationError: there is none, the log cannot be reached, or the key does not sign.
    """
    entry = entry_of(settings, name, key)
    _check_out(out)
    known = settings.issuers.get(name)
    if subject is None and known is not None:
        subject = chains.read_certificates(known.chain, f"issuers.{name}.chain")[0].subject
    with log as record, _opened(settings, name, entry, record) as opened:
        if known is None:
            _remember(settings, name, entry)
            _refuse_as_device_key(settings, opened)
        return _written(opened, entry, subject or default_subject(settings, name), out)


def entry_of(settings: Settings, name: str, key: KeyEntry | None) -> KeyEntry:
    """Where the key of an issuer is, by the settings, by `key`, or by what was asked for before.

    Raises:
        ConfigurationError: nothing names it, or `key` another one than the settings.
    """
    known = settings.issuers.get(name)
    if known is not None:
        entry = KeyEntry.of(known)
        if key is not None and key.issuer(settings.folder, known.chain).key != entry.key:
            raise ConfigurationError(
                f"--key is another key than issuers.{name}.key: choose another name for it, since certificates stand "
                "for the one that this issuer has"
            )
        return entry
    entry_found = key or pending(settings).get(name)
    if entry_found is None:
        raise ConfigurationError(
            f"nothing names the key of {name}: make one with `linecert-server issuer request`, or name it with --key"
        )
    return entry_found


def issuer_of(settings: Settings, name: str, entry: KeyEntry, chain: Path) -> Issuer:
    """The issuer with its key at `entry` and another chain; what else the settings say of it stays.

    Raises:
        ConfigurationError: a value of `entry` has not its form.
    """
    known = settings.issuers.get(name)
    return known.model_copy(update={"chain": chain}) if known else entry.issuer(settings.folder, chain)


def pending(settings: Settings) -> Mapping[str, KeyEntry]:
    """The keys whose chains have not come back yet, by the names of their issuers.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    found = sorted(Layout(settings.folder).pki.glob(f"*{_SUFFIX}"))
    return {path.name.removesuffix(_SUFFIX): _read(path) for path in found}


def path_of(settings: Settings, name: str) -> Path:
    """What remembers the key of an issuer until its chain comes back."""
    return Layout(settings.folder).pki / f"{name}{_SUFFIX}"


def default_subject(settings: Settings, name: str) -> x509.Name:
    """What an issuer is called when nobody says.

    Raises:
        ConfigurationError: that is longer than RFC 5280 allows.
    """
    try:
        return distinguished_name(f"{settings.log.name} {name} CA")
    except ValueError:
        raise ConfigurationError(
            'the name of this installation is too long for a subject: give --subject "CN=..."'
        ) from None


def parse_subject(text: str) -> x509.Name:
    """A name as RFC 4514 writes it, such as `CN=Factory 7 CA,O=Contoso`.

    Raises:
        ConfigurationError: it is none, or has no CN.
    """
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError:
        name = x509.Name([])
    if not name.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        raise ConfigurationError('--subject must be a name as in RFC 4514, such as "CN=Factory 7 device CA,O=Contoso"')
    return name


def _check_out(out: Path) -> None:
    if out.exists():
        raise ConfigurationError(f"--out {out} is there already: name a new file")
    if not out.parent.is_dir():
        raise ConfigurationError(f"--out: there is no folder {out.parent}: make it, or name another")


@contextlib.contextmanager
def _opened(settings: Settings, name: str, entry: KeyEntry, record: Record) -> Iterator[CaKey]:
    # Without a chain yet.
    issuer = issuer_of(settings, name, entry, settings.folder)
    with contextlib.closing(chains.open_key(name, issuer)) as signer:
        chains.check_key(signer.private_key.public_key(), f"the key {entry.key}")
        yield CaKey(name, entry.key, signer, record)


def _written(key: CaKey, entry: KeyEntry, subject: x509.Name, out: Path) -> Requested:
    request = key.certification_request(subject)
    files.write_new(out, request.public_bytes(Encoding.PEM))
    return Requested(request, entry)


def _remember(settings: Settings, name: str, entry: KeyEntry) -> None:
    document = tomlkit.document()
    document.update(entry.settings())
    path = path_of(settings, name)
    files.replace(path, (_HEADER.format(name=name) + tomlkit.dumps(document)).encode())
    files.give_as(path.parent, path)


def _refuse_as_device_key(settings: Settings, key: CaKey) -> None:
    """No device may come with it, also before the issuer stands in the settings."""
    if settings.own_keys is not None:
        sha256 = spki_sha256(key.signer.private_key.public_key())
        if sha256 not in own_keys.read(settings.own_keys):
            own_keys.record(settings.own_keys, [(f"issuer {key.name}", sha256)])


def _read(path: Path) -> KeyEntry:
    data: dict[str, Any] = toml_file.read(path, "remove it, or put it back").data
    try:
        return KeyEntry(**data)
    except TypeError:
        raise ConfigurationError(f"{path} is not as `linecert-server issuer request` wrote it: restore it") from None
