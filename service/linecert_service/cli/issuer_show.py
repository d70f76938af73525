"""`linecert-server issuer show`."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.installation import chains, issuer_view
from linecert_service.installation.issuer_view import CertificateView, IssuerView

OptionalName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The issuer; without one, all.", show_default=False)
]


def show(
    name: OptionalName = None, config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False
) -> None:
    """Show the issuers: subject, serial number, fingerprints, key and its place, validity, chain, and their profiles.

    No key is opened. An issuer of which only the key is there yet is shown as well.
    """
    found = issuer_view.view(config.load(config_file), options.now().timestamp(), name)
    if as_json:
        print(json.dumps({"issuers": [_as_json(issuer) for issuer in found]}, indent=2))
        return
    for issuer in found:
        output.console().print(_table(issuer))


def _table(issuer: IssuerView) -> Table:
    table = Table("issuer", Column(issuer.name, overflow="fold"))
    table.add_row("key", f"{issuer.key.kind}: {issuer.key.place}")
    for title, value in _rows(issuer):
        table.add_row(title, value)
    return table


def _rows(issuer: IssuerView) -> Iterable[tuple[str, str]]:
    if not issuer.chain:
        yield "chain", f"not there yet: linecert-server issuer install {issuer.name} CHAIN.pem"
        return
    own, *above = issuer.chain
    certificate = own.certificate
    yield "subject", own.subject
    yield "serial number", f"{certificate.serial_number:x}"
    yield "SHA-256", own.sha256
    yield "SHA-256 of its key", own.public_key_sha256
    yield "key type", own.key_type
    yield "valid", f"{chains.utc(certificate.not_valid_before_utc)} to {chains.utc(certificate.not_valid_after_utc)}"
    yield "pathLen", _limit(own)
    for link in above:
        yield (
            "above it",
            (
                f"{link.subject}, {link.key_type}, until {chains.utc(link.certificate.not_valid_after_utc)}, "
                f"pathLen {_limit(link)}, SHA-256 {link.sha256}"
            ),
        )
    yield "profiles", ", ".join(issuer.profiles) or "none"
    if issuer.staged_for:
        yield "staged for", ", ".join(issuer.staged_for)


def _limit(link: CertificateView) -> str:
    return "none" if link.path_length is None else str(link.path_length)


def _as_json(issuer: IssuerView) -> dict[str, Any]:
    return {
        "name": issuer.name,
        "key": {"kind": issuer.key.kind, "place": issuer.key.place, "reference": issuer.key.reference},
        "profiles": list(issuer.profiles),
        "staged_for": list(issuer.staged_for),
        "chain": [_certificate(link) for link in issuer.chain],
    }


def _certificate(link: CertificateView) -> dict[str, Any]:
    certificate = link.certificate
    return {
        "subject": link.subject,
        "serial_number": f"{certificate.serial_number:x}",
        "certificate_sha256": link.sha256,
        "public_key_sha256": link.public_key_sha256,
        "key_type": link.key_type,
        "valid_from": chains.utc(certificate.not_valid_before_utc),
        "valid_until": chains.utc(certificate.not_valid_after_utc),
        "path_length": link.path_length,
    }
