"""Entra ID, as far as a service gets tokens from it; and the instance metadata service of a virtual machine."""

import base64
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LOGIN_HOST: Final = "login.microsoftonline.com"
TENANT: Final = "11111111-2222-3333-4444-555555555555"
CLIENT: Final = "00000000-0000-0000-0000-000000000001"
RESOURCE: Final = "https://vault.azure.net"

_AUTHORITY: Final = f"https://{LOGIN_HOST}/{TENANT}"
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not let in: the text, and the header WWW-Authenticate."""

    message: str
    challenge: str


class Entra:
    """Gives tokens to one client.

    Args:
        secret: its client secret.
        certificate: PEM of its certificate; empty: it has none.
        federated_token: what its workload identity shows.

    Attributes:
        seconds: how long tokens last.
        working: whether it can be reached.
        hanging: whether it can be reached and never answers.
        given: tokens given, by the kind of credential.
    """

    def __init__(self, secret: str, certificate: str = "", federated_token: str = "") -> None:
        self.secret = secret
        self._certificate = certificate
        self._federated_token = federated_token
        self.seconds = 3_599.0
        self.working = True
        self.hanging = False
        self.given: Counter[str] = Counter()
        self._expires: dict[str, float] = {}
        self._revoked: set[str] = set()

    def revoke_all(self) -> None:
        """No token that was given is accepted any more."""
        self._revoked |= self._expires.keys()

    def problem(self, authorization: str) -> Problem | None:
        """What is wrong with the Authorization header of a request to the vault."""
        challenge = f'Bearer authorization="{_AUTHORITY}", resource="{RESOURCE}"'
        token = authorization.removeprefix("Bearer ")
        if not token or token == authorization:
            return Problem("AKV10000: Request is missing a Bearer or PoP token.", challenge)
        if token in self._revoked:
            # Continuous access evaluation: the claims make the client fetch a new token, whatever it remembers.
            claims = base64.b64encode(b'{"access_token":{"nbf":{"essential":true}}}').decode()
            extra = f', error="insufficient_claims", claims="{claims}"'
            return Problem("Continuous access evaluation resulted in challenge.", challenge + extra)
        if time.time() >= self._expires.get(token, 0.0):
            extra = ', error="invalid_token", error_description="The token is expired."'
            return Problem("Error validating token: IDX10223: Lifetime validation failed.", challenge + extra)
        return None

    def answer(self, method: str, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request to the login host."""
        if method == "GET" and path.endswith("/.well-known/openid-configuration"):
            return 200, {
                "authorization_endpoint": f"{_AUTHORITY}/oauth2/v2.0/authorize",
                "token_endpoint": f"{_AUTHORITY}/oauth2/v2.0/token",
                "issuer": f"{_AUTHORITY}/v2.0",
            }
        if method == "GET" and path == "/common/discovery/instance":
            hosts = [LOGIN_HOST, "login.windows.net"]
            metadata = [{"preferred_network": LOGIN_HOST, "preferred_cache": LOGIN_HOST, "aliases": hosts}]
            return 200, {
                "tenant_discovery_endpoint": f"{_AUTHORITY}/v2.0/.well-known/openid-configuration",
                "metadata": metadata,
            }
        if method == "POST" and path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(form)
        return 404, {"error": "not_found"}

    def instance_metadata(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request to the instance metadata service: the managed identity's token."""
        if query.get("resource") != RESOURCE:
            return 400, {"error": "invalid_resource", "error_description": "AADSTS500011"}
        token = self._give("managed identity")
        return 200, {
            "access_token": token,
            "expires_in": str(int(self.seconds)),
            "expires_on": str(int(time.time() + self.seconds)),
            "resource": RESOURCE,
            "token_type": "Bearer",
        }

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        kind = self._kind(form)
        if form.get("client_id") != CLIENT or kind is None:
            description = "AADSTS7000215: Invalid client secret provided. Ensure the secret is that of the app."
            return 401, {"error": "invalid_client", "error_description": description, "error_codes": [7_000_215]}
        if form.get("grant_type") != "client_credentials" or form.get("scope") != f"{RESOURCE}/.default":
            return 400, {"error": "invalid_scope", "error_description": "AADSTS1002012", "error_codes": [1_002_012]}
        seconds = int(self.seconds)
        token = self._give(kind)
        return 200, {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}

    def _kind(self, form: dict[str, str]) -> str | None:
        """With what kind of credential the client shows who it is; None: with none that is right."""
        if form.get("client_secret") == self.secret:
            return "secret"
        if form.get("client_assertion_type") != _JWT_BEARER:
            return None
        assertion = form.get("client_assertion", "")
        if self._federated_token and assertion == self._federated_token:
            return "workload identity"
        return "certificate" if self._certificate and self._signed(assertion) else None

    def _signed(self, assertion: str) -> bool:
        """Whether a JWT (RFC 7523) was signed with the client's certificate."""
        key = x509.load_pem_x509_certificate(self._certificate.encode()).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        signed, _, signature = assertion.rpartition(".")
        header = json.loads(_decoded(signed.partition(".")[0]))
        if header["alg"] == "PS256":
            how: padding.AsymmetricPadding = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        else:
            how = padding.PKCS1v15()
        try:
            key.verify(_decoded(signature), signed.encode(), how, hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def _give(self, kind: str) -> str:
        self.given[kind] += 1
        token = f"token-of-the-double.{secrets.token_urlsafe(32)}"
        self._expires[token] = time.time() + self.seconds
        return token


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
