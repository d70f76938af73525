"""The way to a key vault: Azure's SDK, told to leave repetitions and pauses to `signers.gate`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from requests.exceptions import ChunkedEncodingError, Timeout
from requests.exceptions import ConnectionError as LostConnection
from urllib3.exceptions import HTTPError

from linecert_service.domain.key_identifiers import KeyIdentifier
from linecert_service.signers.key_vault import failures, keys
from linecert_service.signers.key_vault.keys import VaultKey
from linecert_service.signers.key_vault.session import HostSession

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
"""The vault answers in some 10 to 100 ms; a connection that is silent for so long is given up."""


class Connection:
    """Reads a key and signs with it. Any thread may use it.

    The credential is the first that azure-identity finds: a client secret or certificate in the environment, workload
    identity, managed identity, then those of developers; AZURE_TOKEN_CREDENTIALS names one alone. It fetches tokens and
    renews them. Proxy and trusted CAs come from the environment as well (HTTPS_PROXY, REQUESTS_CA_BUNDLE).

    Args:
        identifier: which key.
        threads: how many use it at once, each with a connection of its own.
    """

    def __init__(self, identifier: KeyIdentifier, threads: int) -> None:
        self._identifier = identifier
        self._credential = credential()
        # Clients that are given a transport take its times, not those among their own options.
        self._transport = RequestsTransport(
            session=HostSession(identifier.vault_url, threads),
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )
        self._options: dict[str, Any] = {"retry_total": 0, "transport": self._transport}
        self._keys = KeyClient(identifier.vault_url, self._credential, **self._options)
        self._crypto: CryptographyClient | None = None
        self._signature_octets = 0

    def read(self) -> VaultKey:
        """What the vault says of the key.

        Raises:
            SignerBusy: the vault was not reached, or wants to be asked later.
            SignerUnavailable: the key cannot be read, or may not sign.
        """
        with translated():
            described = self._keys.get_key(self._identifier.name, self._identifier.version)
            key = keys.read(self._identifier, described)
        if self._crypto is None:
            self._signature_octets = _signature_octets(key)
            # Given the key, it does not fetch it itself; without its private half, it does not sign here.
            self._crypto = CryptographyClient(described, self._credential, **self._options)
        return key

    def sign(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        """The signature over a digest, as JWA (RFC 7518) has it: for EC r || s.

        Raises:
            SignerBusy: the vault was not reached, or wants to be asked later.
            SignerUnavailable: it refuses, or answers with what is no signature of this kind of key.
        """
        if self._crypto is None:
            raise ValueError("the key is read before it signs")
        with translated():
            # The SDK passes on what it finds, whatever it declares.
            signature: object = self._crypto.sign(algorithm, digest).signature
            if not isinstance(signature, bytes) or len(signature) != self._signature_octets:
                raise ValueError(f"the vault's signature is not {self._signature_octets} octets")
        return signature

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
        self._credential.close()


def credential() -> DefaultAzureCredential:
    """What shows the vault who this is; Entra ID is waited for as long as the vault."""
    return DefaultAzureCredential(retry_total=0, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)


def _signature_octets(key: VaultKey) -> int:
    """Those of a signature as JWA has it (RFC 7518, 3.3 and 3.4): as long as the modulus, or r and s as the order."""
    octets = (key.public_key.key_size + 7) // 8
    return octets if isinstance(key.public_key, RSAPublicKey) else 2 * octets


@contextmanager
def translated() -> Iterator[None]:
    """What the SDK raises becomes a fault of the signer.

    Raises:
        SignerBusy: the vault was not reached, or wants to be asked later.
        SignerUnavailable: it refuses.
    """
    try:
        yield
    except AzureError as error:
        raise failures.of_vault(error) from error
    except (HTTPError, LostConnection, ChunkedEncodingError, Timeout) as error:
        # Of urllib3 and requests, outside Azure's own layers: no answer, or one that was cut off.
        raise failures.unreachable() from error
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        # An answer that is none: no JSON, or JSON of another shape, into which the SDK reaches unchecked.
        raise failures.unreadable() from error
