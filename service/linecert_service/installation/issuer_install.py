"""Take an issuer's chain in: all of it is checked first, then written, then named in `linecert.toml`."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service import config, toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, issuer_chains, issuer_requests, issuer_toml, trust
from linecert_service.installation.chains import IssuerFiles
from linecert_service.installation.exclusive_edit import exclusive_edit
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
        profile: that it is to sign for from now on; None: none.
        staged_for: the profile that it is to sign for after a switch; None: none.
    """

    name: str
    path: Path
    key: KeyEntry | None = None
    root_sha256: bytes | None = None
    profile: str | None = None
    staged_for: str | None = None


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
    _check_profiles(settings, chain)
    entry = issuer_requests.entry_of(settings, chain.name, chain.key)
    issuer = _checked(settings, chain, entry, now)
    known = settings.issuers.get(chain.name)
    target = known.chain if known else Layout(settings.folder).pki / f"{chain.name}.chain.pem"
    with exclusive_edit(settings.path) as edit:
        edit.check_as_read(settings)
        text = _changed(settings, chain, entry, target, edit.document.text, now=now)
        # 2. The chain first: nothing names it yet, or it is for the key that is named already.
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in issuer.chain)
        files.replace(target, pem)
        files.give_as(target.parent, target)
        # 3. The settings, as a whole.
        edit.write(text)
    issuer_requests.path_of(settings, chain.name).unlink(missing_ok=True)
    return Installed(issuer, target, is_new=known is None)


def _check_profiles(settings: Settings, chain: Chain) -> None:
    if not {chain.profile, chain.staged_for} - {None} <= settings.profiles.keys():
        raise ConfigurationError(f"there is no such profile: {settings.path} has {', '.join(settings.profiles)}")
    if chain.profile is not None and chain.profile == chain.staged_for:
        raise ConfigurationError("--profile and --stage name the same profile: it signs now, or after a switch")


def _checked(settings: Settings, chain: Chain, entry: KeyEntry, now: float) -> IssuerFiles:
    issuer = chains.load_issuer(
        chain.name, issuer_requests.issuer_of(settings, chain.name, entry, chain.path.absolute()), now
    )
    with contextlib.closing(issuer.signer):
        issuer_chains.check(issuer, chain.path)
        trust.load_station_cas(settings, [issuer])
        _check_same_above(settings, issuer)
        known = [chains.read_certificates(one.chain, f"issuers.{name}.chain") for name, one in settings.issuers.items()]
        issuer_chains.check_root(issuer, known, chain.root_sha256)
    return issuer


def _check_same_above(settings: Settings, issuer: IssuerFiles) -> None:
    if issuer.name not in settings.issuers:
        return
    before = chains.read_certificates(settings.issuers[issuer.name].chain, f"issuers.{issuer.name}.chain")
    if before[0] == issuer.chain[0] and before != issuer.chain:
        raise ConfigurationError(
            f"issuers.{issuer.name} has this certificate already, with other ones above it, and answers that were "
            "given are given again with these: have the issuer's certificate made anew"
        )


def _changed(settings: Settings, chain: Chain, entry: KeyEntry, target: Path, text: str, *, now: float) -> str:
    """The text of the settings file as it is to be, which a server would take."""
    if chain.name not in settings.issuers:
        values = {**entry.settings(), "chain": str(target.relative_to(settings.folder))}
        text = issuer_toml.with_issuer(text, chain.name, values)
    if chain.profile is not None:
        text = issuer_toml.with_issuer_of_profile(text, chain.profile, chain.name)
    if chain.staged_for is not None:
        text = issuer_toml.with_next_issuer(
            text, chain.staged_for, chain.name, settings.profiles[chain.staged_for].issuer_at(now)
        )
    config.of(toml_file.parse(text, settings.path))
    return text
