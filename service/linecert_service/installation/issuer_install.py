"""Take an issuer's chain in: all of it is checked first, then written, then named in `linecert.toml`."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service import config, toml_file
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, issuer_chains, issuer_requests, issuer_toml, trust
from linecert_service.installation.chains import IssuerFiles
from linecert_service.installation.exclusive_edit import ExclusiveEdit, exclusive_edit
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
        dropped: what was staged for the profiles and is not any more, in sentences for the operator.
    """

    issuer: IssuerFiles
    chain: Path
    is_new: bool
    dropped: Sequence[str] = ()


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
        # 2. The chain, and the settings that name it.
        _write(edit, text, target, issuer)
    issuer_requests.path_of(settings, chain.name).unlink(missing_ok=True)
    return Installed(issuer, target, is_new=known is None, dropped=tuple(_dropped(settings, chain, now)))


def _write(edit: ExclusiveEdit, text: str, target: Path, issuer: IssuerFiles) -> None:
    """Both or none, as far as a machine that goes on lets it."""
    before = target.read_bytes() if target.exists() else None
    try:
        # The chain first: nothing names it yet, or it is for the key that is named already.
        files.replace(target, b"".join(certificate.public_bytes(Encoding.PEM) for certificate in issuer.chain))
        files.give_as(target.parent, target)
        edit.write(text)
    except BaseException:
        # What fails behind the replacement of the settings, such as fsync, must not take away what they name now.
        if edit.document.path.read_text(encoding="utf-8") != text:
            _put_back(target, before)
        raise


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        files.replace(path, content)


def _dropped(settings: Settings, chain: Chain, now: float) -> Iterator[str]:
    """What an operator may not have thought of: another issuer, or a time, was set for one of the profiles."""
    for name in filter(None, (chain.profile, chain.staged_for)):
        profile = settings.profiles[name]
        if profile.next_issuer in {None, profile.issuer_at(now)}:
            continue
        if profile.switch_at is not None:
            at = chains.utc(datetime.fromtimestamp(profile.switch_at, UTC))
            yield f"profiles.{name} was to switch to {profile.next_issuer} at {at}, and is not any more."
        elif profile.next_issuer != chain.name:
            yield f"profiles.{name} had {profile.next_issuer} staged, and has it no more."


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
    _check_outcome(settings, chain, config.of(toml_file.parse(text, settings.path)), target, now)
    return text


def _check_outcome(settings: Settings, chain: Chain, outcome: Settings, target: Path, now: float) -> None:
    """The environment and the secrets folder go before the file: what they set, no edit of it changes."""
    expected: dict[str, tuple[str, str | None, None]] = {}
    if chain.profile is not None:
        expected[chain.profile] = (chain.name, None, None)
    if chain.staged_for is not None:
        in_force = settings.profiles[chain.staged_for].issuer_at(now)
        expected[chain.staged_for] = (in_force, chain.name, None)
    for name, issuers in expected.items():
        profile = outcome.profiles[name]
        if (profile.issuer, profile.next_issuer, profile.switch_at) != issuers:
            raise ConfigurationError(
                f"the environment or the secrets folder sets what profiles.{name} says of its issuers: set it there"
            )
    if outcome.issuers[chain.name].chain != target:
        raise ConfigurationError(
            f"the environment or the secrets folder sets issuers.{chain.name}.chain: set it there to {target}"
        )
