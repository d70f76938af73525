"""A second issuer beside the one that `init` makes, and settings that name it."""

import shutil
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.installation.authorities import CaKeyType, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support.installations import Installation

NEXT = "issuer-next"


def add_issuer(
    installation: Installation,
    name: str = NEXT,
    key_type: CaKeyType = "p256",
    *,
    days: int = 20 * 365,
    begins: datetime | None = None,
) -> x509.Certificate:
    """Make an issuer below the installation's root, and its section of the settings; no profile names it yet."""
    key, now = new_key(key_type), begins or datetime.now(UTC) - timedelta(minutes=5)
    issuer = installation.root().intermediate(distinguished_name(name), key, Validity(now, timedelta(days=days)))
    pki = installation.layout.pki
    root = installation.chain()[-1]
    (pki / f"{name}.chain.pem").write_bytes(
        b"".join(one.public_bytes(Encoding.PEM) for one in (issuer.certificate, root))
    )
    passphrase = (pki / "issuer.passphrase").read_text().splitlines()[0].encode()
    (pki / f"{name}.key.pem").write_bytes(private_pem(key, passphrase))
    (pki / f"{name}.key.pem").chmod(0o600)
    section = (
        f'[issuers.{name}]\nkey = "file:pki/{name}.key.pem"\nchain = "pki/{name}.chain.pem"\n'
        'passphrase_file = "pki/issuer.passphrase"\n\n'
    )
    installation.edit("[profiles.device]\n", section + "[profiles.device]\n")
    return issuer.certificate


def stage(installation: Installation, name: str = NEXT, *, at: datetime | None = None) -> None:
    """Have the profile `device` name an issuer as its next one."""
    when = f"switch_at = {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n" if at else ""
    installation.edit('\nissuer = "issuer"\n', f'\nissuer = "issuer"\nnext_issuer = "{name}"\n{when}')


def copy_issuer(source: Installation, target: Installation, name: str = NEXT) -> None:
    """Bring an issuer that was made for one installation, and its settings, to another one of the same root."""
    for file in source.layout.pki.glob(f"{name}.*"):
        shutil.copy2(file, target.layout.pki)
    shutil.copy2(source.layout.pki / "issuer.passphrase", target.layout.pki)
    section = source.config.read_text().partition(f"[issuers.{name}]\n")[2].partition("[profiles.device]\n")[0]
    target.edit("[profiles.device]\n", f"[issuers.{name}]\n{section}[profiles.device]\n")
