"""What the Key Vault signer makes of identifiers, kinds of keys and errors; the rest is in the contract suite."""

import datetime as dt
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from linecert_service.domain.errors import SignerBusy
from linecert_service.domain.key_identifiers import KeyIdentifier
from linecert_service.signers.key_vault import failures, limits
from linecert_service.signers.key_vault.connection import translated
from linecert_service.signers.key_vault.keys import VaultKey

VERSION = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "host, managed",
    [
        ("factory-1.vault.azure.net", False),
        ("factory-1.vault.azure.cn", False),
        ("factory-1.vault.usgovcloudapi.net", False),
        ("factory-1.managedhsm.azure.net", True),
        ("factory-1.managedhsm.usgovcloudapi.net", True),
    ],
)
def test_identifiers_of_every_cloud(host: str, managed: bool) -> None:
    """Vaults and managed HSMs, each cloud under its own domain."""
    text = f"https://{host}/keys/Issuer-1/{VERSION}"
    parsed = KeyIdentifier.parse(text)
    assert parsed == KeyIdentifier(f"https://{host}", "Issuer-1", VERSION, managed)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text, part",
    [
        ("https://factory.vault.azure.net/keys/issuer", "names no version"),
        ("https://factory.vault.azure.net/keys/issuer/", "must be a key identifier"),
        (f"https://factory.vault.azure.net/keys/issuer/{VERSION[:-1]}", "must be a key identifier"),
        (f"https://factory.vault.azure.net/secrets/issuer/{VERSION}", "must be a key identifier"),
        (f"https://factory.vault.azure.net:8443/keys/issuer/{VERSION}", "must be a key identifier"),
        (f"https://factory.vault.azure.net@evil.example/keys/issuer/{VERSION}", "must be a key identifier"),
        (f"https://vault.azure.net/keys/issuer/{VERSION}", "must be a key identifier"),
        (f"https://factory.example.com/keys/issuer/{VERSION}", "must be a key identifier"),
        (f"https://factory.vault.azure.net/keys/issuer/{VERSION}\n", "must be a key identifier"),
    ],
)
def test_other_addresses_are_refused(text: str, part: str) -> None:
    """Without a version a rotated key would sign what the issuer's certificate does not answer for."""
    with pytest.raises(ValueError, match=part):
        KeyIdentifier.parse(text)


@pytest.mark.parametrize(
    "key, in_hsm, managed, limit",
    [
        (ec.generate_private_key(ec.SECP256R1()), False, False, 4_000),
        (ec.generate_private_key(ec.SECP384R1()), True, False, 2_000),
        (rsa.generate_private_key(65_537, 2048), False, False, 4_000),
        (rsa.generate_private_key(65_537, 3072), True, False, 500),
        (rsa.generate_private_key(65_537, 2304), True, False, 500),
        (ec.generate_private_key(ec.SECP384R1()), True, True, 1_600),
    ],
)
def test_limits_are_those_of_the_kind_of_key(key: Any, in_hsm: bool, managed: bool, limit: int) -> None:
    """As Azure documents them; what is asked for stays below."""
    of = VaultKey(KeyIdentifier("https://v", "k", VERSION, managed), key.public_key(), in_hsm, SimpleNamespace())  # type: ignore[arg-type]
    assert limits.documented(of) == limit
    assert limits.default(of) == limit * 9 // 10


def http_error(status: int, inner: str = "", **headers: str) -> HttpResponseError:
    """What the SDK raises for a status."""
    error = HttpResponseError("of the SDK")
    error.status_code = status
    error.response = SimpleNamespace(headers=headers)  # type: ignore[assignment]
    error.error = SimpleNamespace(innererror={"code": inner} if inner else None)  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    "error",
    [ServiceRequestError("no way"), ServiceResponseError("cut off"), http_error(503), http_error(500), http_error(408)],
)
def test_passing_trouble_is_asked_again(error: AzureError) -> None:
    """Nothing was signed that anybody has."""
    fault = failures.of_vault(error)
    assert isinstance(fault, SignerBusy)
    assert not fault.throttled
    assert fault.asked_for is None


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ChunkedEncodingError("IncompleteRead"),
        requests.exceptions.ConnectionError("Read timed out."),
        requests.exceptions.ReadTimeout("silent"),
        urllib3.exceptions.ProtocolError("cut"),
    ],
)
def test_cut_connections_are_asked_again(error: Exception) -> None:
    """Those too that break within an answer, of which requests and urllib3 tell past Azure's own layers."""
    with pytest.raises(SignerBusy, match="cannot be reached"), translated():
        raise error


def test_throttling_says_how_long() -> None:
    """In seconds, or as a date (RFC 9110, 10.2.3)."""
    seconds = failures.of_vault(http_error(429, **{"Retry-After": "7"}))
    assert isinstance(seconds, SignerBusy)
    assert (seconds.throttled, seconds.asked_for) == (True, 7.0)
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    date = failures.of_vault(http_error(429, **{"Retry-After": format_datetime(moment, usegmt=True)}))
    assert isinstance(date, SignerBusy)
    assert date.asked_for is not None
    assert 30 < date.asked_for <= 60
    for nonsense in ("soon", "-1", "٣"):
        fault = failures.of_vault(http_error(429, **{"Retry-After": nonsense}))
        assert isinstance(fault, SignerBusy)
        assert fault.asked_for is None


@pytest.mark.parametrize(
    "error, part",
    [
        (http_error(403, "KeyDisabled"), "disabled"),
        (http_error(403, "KeyExpired"), "expired"),
        (http_error(403, "KeyNotYetValid"), "not valid yet"),
        (http_error(403, "KeyOperationForbidden"), "does not permit"),
        (http_error(403, "ForbiddenByFirewall"), "firewall"),
        (http_error(403, "ForbiddenByRbac"), "Key Vault Crypto User"),
        (http_error(404), "recover"),
        (http_error(400), "the log has the reason"),
        (ClientAuthenticationError("AADSTS7000215"), "credential"),
    ],
)
def test_what_the_operator_must_do_is_said_and_not_asked_again(error: AzureError, part: str) -> None:
    """In a sentence of its own for each."""
    fault = failures.of_vault(error)
    assert not isinstance(fault, SignerBusy)
    assert part in fault.message
    assert "SDK" not in fault.message


def test_credential_that_nobody_judged_is_no_wrong_one() -> None:
    """Where Entra ID is out of reach, azure-identity says no more than that it got no token."""
    fault = failures.of_vault(ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token"))
    assert isinstance(fault, SignerBusy)
    assert "Entra ID is out of reach" in fault.message
