"""What a key vault's errors mean: ask again, or tell the operator.

The codes are those of https://learn.microsoft.com/azure/key-vault/general/rest-error-codes. The SDK's own text, which
says more, is chained for the log; it holds no token and no secret.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Final

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from linecert_service.domain.errors import SignerBusy, SignerUnavailable
from linecert_service.signers.key_vault import keys

_TOO_MANY_REQUESTS: Final = 429
_PASSING: Final = frozenset({408, 500, 502, 503, 504})
_OK: Final = 200
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404

_UNREACHABLE: Final = "the CA key's vault cannot be reached: send again with the same request_id"
_UNREADABLE: Final = "the CA key's vault gave no answer that can be read; the log has the reason; call the operator"
_THROTTLED: Final = "the CA key's vault is asked too much: send again with the same request_id"
_CREDENTIAL: Final = (
    "the key vault does not accept this service's credential: renew it, or correct the AZURE_ variables; the log has "
    "the reason"
)
_UNPROVEN: Final = (
    "no token for the key vault can be got: Entra ID is out of reach, or the AZURE_ variables name no credential; send "
    "again with the same request_id"
)
_BY_INNER_CODE: Final = {
    "KeyDisabled": keys.DISABLED,
    "KeyExpired": keys.EXPIRED,
    "KeyNotYetValid": keys.NOT_YET_VALID,
    "KeyOperationForbidden": keys.NOT_PERMITTED,
    "ForbiddenByFirewall": "the key vault's firewall keeps this machine out: allow its address or a private endpoint",
}
_NO_PERMISSION: Final = (
    "this service may not use the CA key in the key vault: give its identity the role Key Vault Crypto User on the key"
)
_DELETED: Final = (
    "the CA key, or this version of it, is not in the key vault: recover it (`az keyvault key recover`), or correct "
    "the setting"
)
_OTHER: Final = "the key vault refuses to sign with the CA key; the log has the reason; call the operator"


class NoPermission(SignerUnavailable):
    """The key can be read and may not sign: only a signature shows when that has changed."""


def unreachable() -> SignerBusy:
    """The vault was not reached, or its answer did not come through."""
    return SignerBusy(_UNREACHABLE)


def unreadable() -> SignerUnavailable:
    """The vault answered, and not as its interface is documented."""
    return SignerUnavailable(_UNREADABLE)


def of_vault(error: AzureError) -> SignerUnavailable:
    """What is raised in place of an error of the SDK, with that as its cause."""
    if not isinstance(error, HttpResponseError):
        return unreachable()
    if isinstance(error, ClientAuthenticationError):
        return SignerUnavailable(_CREDENTIAL) if _was_judged(error) else SignerBusy(_UNPROVEN)
    if error.status_code == _TOO_MANY_REQUESTS:
        return SignerBusy(_THROTTLED, asked_for=_retry_after(error), throttled=True)
    if error.status_code in _PASSING or error.status_code is None:
        return SignerBusy(_UNREACHABLE, asked_for=_retry_after(error))
    return _refused(error)


def _was_judged(error: ClientAuthenticationError) -> bool:
    """Whether the vault or Entra ID, whose refusals begin so, said no; else nobody who gives tokens was reached."""
    return error.response is not None or "AADSTS" in str(error)


def _refused(error: HttpResponseError) -> SignerUnavailable:
    if error.status_code == _OK:
        return unreadable()
    if error.status_code == _NOT_FOUND:
        return SignerUnavailable(_DELETED)
    if error.status_code != _FORBIDDEN:
        return SignerUnavailable(_OTHER)
    if message := _BY_INNER_CODE.get(_inner_code(error)):
        return SignerUnavailable(message)
    return NoPermission(_NO_PERMISSION)


def _inner_code(error: HttpResponseError) -> str:
    inner = error.error.innererror if error.error else None
    return str(inner.get("code", "")) if inner else ""


def _retry_after(error: HttpResponseError) -> float | None:
    """Seconds from Retry-After (RFC 9110, 10.2.3); None without a good one."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    value = headers.get("Retry-After")
    if not value:
        return None
    try:
        if value.isascii() and value.isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return None
