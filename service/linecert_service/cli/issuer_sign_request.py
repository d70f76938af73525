"""`linecert-server issuer sign-request`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.cli import options
from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation import chains, files, issuer_offline
from linecert_service.installation.issuer_offline import CheckedRequest
from linecert_service.setting_types import parse_duration


def sign_request(
    csr: Annotated[Path, typer.Argument(metavar="CSR", help="What `issuer request` wrote.")],
    *,
    offline: Annotated[Path, typer.Option(metavar="DIR", help="The folder offline/ with root.key.pem and root.pem.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The chain to write, for `issuer install`.")],
    validity: Annotated[str, typer.Option(metavar="DURATION", help="How long the issuer is to live.")] = "20y",
    root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The root's certificate, alone or in a chain.", show_default="DIR/root.pem"),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="SHA-256 of the CSR or of its key, as `issuer request` printed it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; compare the fingerprint yourself.")] = False,
) -> None:
    """Sign an issuer's CSR with the root that `init` made, where its folder offline/ is.

    It needs no settings, no network and no store. The CSR's form, key and signature are checked, its fingerprint is
    shown, and you are asked. What comes out issues device certificates and no further CAs (CA:TRUE, pathLen 0).

    Example: linecert-server issuer sign-request line-3.csr.pem --offline offline --out line-3.chain.pem
    """
    lifetime = _lifetime(validity)
    request = issuer_offline.read_request(csr)
    authority = issuer_offline.read_root(offline, root)
    print(f"{csr} is for {request.subject.rfc4514_string()}, {request.key_type}")
    print(f"  SHA-256 of the CSR         {request.csr_sha256}")
    print(f"  SHA-256 of its public key  {request.public_key_sha256}")
    print(f"The root is {chains.subject(authority.certificate)}")
    _confirm(request, fingerprint, yes=yes)
    chain = issuer_offline.sign(authority, request, lifetime, options.now())
    files.write_new(out, b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))
    print(f"Wrote {out}, valid until {chains.utc(chain[0].not_valid_after_utc)}.")
    print(f"Take {offline} away again, and bring {out.name} to the server: linecert-server issuer install")


def _confirm(request: CheckedRequest, fingerprint: str | None, *, yes: bool) -> None:
    if fingerprint is not None:
        if not request.is_meant(fingerprint):
            raise ConfigurationError(
                "--fingerprint is neither that of this CSR nor that of its key: it is not the one that was meant, so "
                "find out where it was exchanged"
            )
    elif not yes and not typer.confirm("Is that what `issuer request` printed?"):
        raise ConfigurationError("nothing was signed: bring the CSR again by a way that nobody can change it on")


def _lifetime(validity: str) -> timedelta:
    try:
        seconds = parse_duration(validity)
    except ValueError as error:
        raise ConfigurationError(f"--validity {error}") from None
    if not seconds:
        raise ConfigurationError("--validity must be longer than nothing")
    return timedelta(seconds=seconds)
