"""CA keys that are kept away from the server, and brought back for a moment to sign a certificate."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.authorities import Authority, CaKey
from linecert_service.installation.chains import spki
from linecert_service.signers import key_file


def authority(key_path: Path, certificates: Iterable[x509.Certificate]) -> Authority:
    """The CA whose key is in `key_path`, and whose certificate is among `certificates`.

    Raises:
        ConfigurationError: the key is not there or open to others, or belongs to none of the certificates.
    """
    if not key_path.exists():
        raise ConfigurationError(
            f"{key_path} is not there: bring the folder {key_path.parent.name}/ back from where it is kept, run this "
            "command again, and take the folder away"
        )
    key = key_file.load(key_path, None, allow_plain=True)
    for certificate in certificates:
        if isinstance(key, CaKey) and spki(certificate.public_key()) == spki(key.public_key()):
            return Authority(certificate, key)
    raise ConfigurationError(f"{key_path} belongs to no CA certificate of this installation: bring back its own folder")
