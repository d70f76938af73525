"""Issuers of device certificates other than the ones that `init` makes."""

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from linecert_service.installation.authorities import Authority, Validity, distinguished_name, new_key
from linecert_service.installation.credentials import private_pem
from support.installations import Installation

END_OF_TIME: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""99991231235959Z: no well-defined end (RFC 5280, section 4.1.2.5)."""


def install_issuer(installation: Installation, *, end: datetime) -> Authority:
    """Replace the issuer by one below a new root that both end at `end`."""
    now = datetime.now(UTC)
    validity = Validity(now, end - now)
    root_key, key = new_key(), new_key()
    root = Authority.self_signed(distinguished_name("other root"), root_key, validity, path_length=None)
    issuer = root.intermediate(distinguished_name("other issuer"), key, validity)
    pki = installation.layout.pki
    chain = (issuer.certificate, root.certificate)
    (pki / "issuer.chain.pem").write_bytes(b"".join(link.public_bytes(Encoding.PEM) for link in chain))
    passphrase = (pki / "issuer.passphrase").read_text().splitlines()[0].encode()
    (pki / "issuer.key.pem").write_bytes(private_pem(key, passphrase))
    return issuer


def in_days(days: int) -> datetime:
    """The time in so many days, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
