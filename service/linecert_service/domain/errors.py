"""The errors of the service.

    LinecertError
    +-- ConfigurationError     the service refuses to start, or a command to run; the message says what to do
    |   +-- KeyOutOfReach      a CA key's vault or token is away, or does not let this service sign yet
    |   +-- PinRefused         a token does not take its PIN: to start again would bring it closer to locking itself
    +-- Refused                a call is refused, for a reason of the contract
        +-- SignerUnavailable  the CA key cannot sign now
        |   +-- SignerBusy         it was not reached, or wants to be asked later: it may be asked again
        |   +-- SignatureUnusable  what it signed must not leave
        +-- StoreUnavailable   the audit store cannot record now

A `Refused` travels from the rule that found it to `rpc.errors`, which turns it into a status: the status and the
action follow from the reason, by the contract's `refusal` options. Its message goes to the caller, so it holds constant
text and values that were validated, never what a caller sent unchecked. What only operators may read is chained as
`__cause__` and logged.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.error_reason_pb2 import ErrorReason

RETRY_AFTER_SECONDS: Final = 1.0
"""What a caller is told to wait when the service cannot know better."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class LinecertError(Exception):
    """Root of what this service raises on purpose."""


class ConfigurationError(LinecertError):
    """Something in the installation is wrong; the message names the file or setting and says what to do."""


class KeyOutOfReach(ConfigurationError):
    """A CA key's vault or token is away, or does not let this service sign yet: the settings may be right."""


class PinRefused(ConfigurationError):
    """A token does not take its PIN, or is not asked, since it would lock itself: see to it before a restart."""


class Refused(LinecertError):
    """A call is refused.

    Attributes:
        reason: which rule, as in error_reason.proto.
        message: for the caller: what was wrong and what to do next.
        field: the request's field, such as `csr` or `attributes`; None where no field is to blame.
        retry_after: seconds after which to send again; None where that would not help.
        metadata: what google.rpc.ErrorInfo carries beside `action`.
        registration_key: the device that the request was for, once its CSR is read; for the log, not for the caller.
    """

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.metadata = metadata
        self.registration_key: str | None = None


class SignerUnavailable(Refused):
    """The CA key cannot sign now."""

    def __init__(self, message: str, *, retry_after: float = RETRY_AFTER_SECONDS) -> None:
        super().__init__(reasons.ERROR_REASON_SIGNER_UNAVAILABLE, message, retry_after=retry_after)


class SignerBusy(SignerUnavailable):
    """The CA key was not reached, or wants to be asked later; nothing was signed that anybody has.

    Attributes:
        asked_for: seconds for which it wants to be left alone; None where it did not say.
        throttled: whether it was reached, and too much was asked of it.
    """

    def __init__(self, message: str, *, asked_for: float | None = None, throttled: bool = False) -> None:
        super().__init__(message, retry_after=max(asked_for or 0.0, RETRY_AFTER_SECONDS))
        self.asked_for = asked_for
        self.throttled = throttled


class SignatureUnusable(SignerUnavailable):
    """A certificate was signed that must not leave: it does not verify, or is not what was planned.

    Attributes:
        serial: its serial number, 20 octets.
    """

    def __init__(self, message: str, serial: bytes) -> None:
        super().__init__(message)
        self.serial = serial


class StoreUnavailable(Refused):
    """The audit store cannot record or read now; nothing was answered that is not recorded."""

    def __init__(self, message: str, *, retry_after: float = RETRY_AFTER_SECONDS) -> None:
        super().__init__(reasons.ERROR_REASON_AUDIT_STORE_UNAVAILABLE, message, retry_after=retry_after)
