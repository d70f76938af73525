"""`linecert-server issuer request`."""

from pathlib import Path
from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import issuer_requests
from linecert_service.installation.authorities import CaKeyType
from linecert_service.installation.issuer_keys import KeyEntry, KeyWish
from linecert_service.installation.issuer_requests import Requested
from linecert_service.setting_types import FILE_SCHEME
from linecert_service.toml_file import check_name

Name = Annotated[str, typer.Argument(metavar="NAME", help="The issuer: NAME of [issuers.NAME].")]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="REFERENCE",
        help="Where the key is, or is to be: file:PATH, a pkcs11: URI, or https://VAULT.vault.azure.net/keys/NAME "
        "(with /VERSION for one that is there).",
        show_default="file:pki/NAME.key.pem",
    ),
]
PassphraseFile = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="File with the pass phrase of a key file. One that is not there is made.",
        show_default="pki/NAME.passphrase",
    ),
]
PinFile = Annotated[str | None, typer.Option(metavar="PATH", help="File with the PIN of a token.")]


def request(
    name: Name,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSR to write.")],
    key: Key = None,
    key_type: Annotated[CaKeyType, typer.Option(help="Of a key that is made.")] = "p256",
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help='What the issuer is called, such as "CN=Factory 7 device CA,O=Contoso".',
            show_default="from the installation's name",
        ),
    ] = None,
    existing: Annotated[
        bool, typer.Option("--existing", help="Use a key that is there; without this, one is refused.")
    ] = False,
    hsm: Annotated[bool, typer.Option("--hsm", help="Have a key vault keep the new key in hardware.")] = False,
    passphrase_file: PassphraseFile = None,
    pin_file: PinFile = None,
    config_file: options.Config = options.CONFIG_DEFAULT,
) -> None:
    """Make a key for a new issuer in its place, and a CSR for it, which goes to the root.

    A file is encrypted PKCS#8; in a token and in a key vault the key is made there and never leaves. The signature of
    the CSR is an event `ca_signature` of the log: the store must be in reach, servers may run. Compare the fingerprints
    that this prints where the root is, and give them to its owner by another way than the CSR.

    Example: linecert-server issuer request line-3 --key-type p384 --out line-3.csr.pem --config linecert.toml
    """
    # Here, since most commands need no database.
    from linecert_service.cli.issuer_log import recording  # noqa: PLC0415

    settings = config.load(config_file)
    checked_name(name)
    named = None if subject is None else issuer_requests.parse_subject(subject)
    entry = entry_of(name, key, passphrase_file, pin_file)
    log = recording(settings)
    if existing:
        made = issuer_requests.request_existing(settings, name, entry if key else None, subject=named, out=out, log=log)
    else:
        wish = KeyWish(name, entry, key_type, hsm, settings.folder)
        made = issuer_requests.request_new(settings, wish, subject=named, out=out, log=log)
    _tell(settings, name, made, out)


def checked_name(name: str) -> str:
    """The name, when it can be an issuer's.

    Raises:
        ConfigurationError: it cannot.
    """
    try:
        return check_name(name)
    except ValueError as error:
        raise ConfigurationError(f"NAME {error}") from None


def entry_of(name: str, key: str | None, passphrase_file: str | None, pin_file: str | None) -> KeyEntry:
    """What the options say of a key, with their defaults."""
    reference = key or f"{FILE_SCHEME}pki/{name}.key.pem"
    if reference.startswith(FILE_SCHEME) and passphrase_file is None:
        passphrase_file = f"pki/{name}.passphrase"
    return KeyEntry(reference, passphrase_file, pin_file)


def _tell(settings: Settings, name: str, made: Requested, out: Path) -> None:
    print(f"Key of {name}: {made.key.key}")
    print(f"Wrote {out}, a CSR for {made.request.subject.rfc4514_string()}.")
    print("Compare where the root is:")
    print(f"  SHA-256 of the CSR         {made.csr_sha256}")
    print(f"  SHA-256 of its public key  {made.public_key_sha256}")
    print("Have it signed by the root, where offline/ is:")
    print(
        f"  linecert-server issuer sign-request {out.name} --offline offline --fingerprint {made.csr_sha256} "
        f"--out {name}.chain.pem"
    )
    print(f"Then: linecert-server issuer install {name} {name}.chain.pem --config {settings.path}")
