"""Take an issuer's chain in: all of it is checked first, then written, then named in `linecert.toml`."""

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service import config, toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, issuer_chains, issuer_requests, issuer_toml, trust
from linecert_service.installation.chains import IssuerFiles
from linecert_service.installation.issuer_keys import KeyEntry
from linecert_service.installation.layout import Layout


@dataclass(frozen=True, slots=True)
class Chain:
    """What is to be installed.

    Attributes:
        name: of the issuer.
        path: PEM file: the issuer's certificate, the intermediates above it, the root last.
        key: where its key is, when neither settings nor a request say.
        root_sha256: of the root's certificate; None: one that is known.
        profile: that is to be signed by it from the next start on; None: none.
    """

    name: str
    path: Path
    key: KeyEntry | None = None
    root_sha256: bytes | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """What was done.

    Attributes:
        issuer: what is installed; its key is closed.
        chain: the file that holds it now.
        is_new: whether `[issuers.NAME]` was added.
    """

    issuer: IssuerFiles
    chain: Path
    is_new: bool


def install(settings: Settings, chain: Chain, now: float) -> Installed:
    """Check a chain and install it.

    Args:
        settings: of the installation.
        chain: what is to be installed.
        now: seconds since 1970.

    Raises:
        ConfigurationError: something about it is wrong; the message says what, and nothing was changed.
    """
    # 1. What is to be, judged as a server will judge it.
    if chain.profile is not None and chain.profile not in settings.profiles:
        raise ConfigurationError("--profile: linecert.toml has no such profile")
    entry = issuer_requests.entry_of(settings, chain.name, chain.key)
    issuer = _checked(settings, chain, entry, now)
    known = settings.issuers.get(chain.name)
    target = known.chain if known else Layout(settings.folder).pki / f"{chain.name}.chain.pem"
    text = _changed(settings, chain, entry, target)
    # 2. The chain first: nothing names it yet, or it is for the key that is named already.
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in issuer.chain)
    files.replace(target, pem)
    files.give_as(target.parent, target)
    # 3. The settings, as a whole.
    files.replace(settings.path, text.encode())
    issuer_requests.path_of(settings, chain.name).unlink(missing_ok=True)
    return Installed(issuer, target, is_new=known is None)


def _checked(settings: Settings, chain: Chain, entry: KeyEntry, now: float) -> IssuerFiles:
    issuer = chains.load_issuer(chain.name, entry.issuer(settings.folder, chain.path.absolute()), now)
    with contextlib.closing(issuer.signer):
        issuer_chains.check(issuer, chain.path)
        trust.load_station_cas(settings, [issuer])
        known = [chains.read_certificates(one.chain, f"issuers.{name}.chain") for name, one in settings.issuers.items()]
        issuer_chains.check_root(issuer, known, chain.root_sha256)
    return issuer


def _changed(settings: Settings, chain: Chain, entry: KeyEntry, target: Path) -> str:
    """The text of the settings file as it is to be, which a server would take."""
    text = toml_file.read(settings.path).text
    if chain.name not in settings.issuers:
        values = {**entry.settings(), "chain": str(target.relative_to(settings.folder))}
        text = issuer_toml.with_issuer(text, chain.name, values)
    if chain.profile is not None:
        text = issuer_toml.with_issuer_of_profile(text, chain.profile, chain.name)
    _judge(settings, text)
    return text


def _judge(settings: Settings, text: str) -> None:
    # In its own folder, where relative paths start.
    with tempfile.NamedTemporaryFile("w", dir=settings.folder, prefix=".linecert.toml.", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        config.load(Path(file.name))
