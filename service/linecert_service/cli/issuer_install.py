"""`linecert-server issuer install`."""

from pathlib import Path
from typing import Annotated

import typer

from linecert_service import config
from linecert_service.cli import options
from linecert_service.cli.issuer_request import Key, Name, PassphraseFile, PinFile, checked_name, entry_of
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains
from linecert_service.installation import issuer_install as installing
from linecert_service.installation.issuer_install import Chain, Installed
from linecert_service.installation.issuer_offline import parse_fingerprint


def install(
    name: Name,
    chain: Annotated[
        Path, typer.Argument(metavar="CHAIN", help="PEM file: the issuer's certificate first, the root last.")
    ],
    *,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    pin_file: PinFile = None,
    root_sha256: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="SHA-256 of the root's certificate, where it is a root that no issuer here has yet.",
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="Have it sign for this profile from now on.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="Stage it as this profile's next_issuer, for `issuer switch`.")
    ] = None,
    config_file: options.Config = options.CONFIG_DEFAULT,
) -> None:
    """Take in the chain that the root has signed for `issuer request`.

    The key is opened, and all of the chain checked: that the key is the certificate's, CA:TRUE, keyCertSign, pathLen,
    dates, order, signatures, algorithms, that it ends in a root that is known, and that no device could pass for a
    station. Only then the chain is written and [issuers.NAME] added. Nothing is issued with it before `issuer switch`,
    unless --profile says so.

    Example: linecert-server issuer install line-3 line-3.chain.pem --config linecert.toml
    """
    settings = config.load(config_file)
    checked_name(name)
    asked = Chain(
        name,
        chain,
        key=entry_of(name, key, passphrase_file, pin_file) if key else None,
        root_sha256=None if root_sha256 is None else _fingerprint(root_sha256),
        profile=profile,
        staged_for=stage,
    )
    _tell(asked, installing.install(settings, asked, options.now().timestamp()))


def _fingerprint(text: str) -> bytes:
    try:
        return parse_fingerprint(text)
    except ValueError as error:
        raise ConfigurationError(f"--root-sha256 {error}") from None


def _tell(asked: Chain, done: Installed) -> None:
    certificate = done.issuer.certificate
    print(f"Wrote {done.chain}, the chain of {chains.subject(certificate)}.")
    print(f"It is valid until {chains.utc(certificate.not_valid_after_utc)}.")
    if not done.is_new:
        print(f"A server that has issuers.{asked.name} open uses the new certificate after its next start.")
    for sentence in done.dropped:
        print(sentence)
    if asked.profile:
        print(f"It signs for profiles.{asked.profile}; a running server takes that over within seconds.")
        return
    print(f"Try it: linecert-server issuer self-test {asked.name}")
    if asked.staged_for:
        print(f"Then have it sign for profiles.{asked.staged_for}: linecert-server issuer switch {asked.staged_for}")
    elif done.is_new:
        print(f'Then set next_issuer = "{asked.name}" in a profile: linecert-server issuer switch PROFILE')
