"""What this client raises on purpose.

    LinecertError
    +-- ConfigurationError   the client's own folder is wrong: client.toml or one of the files that it names
    +-- TlsError             TLS itself fails: trying again cannot help until a certificate is replaced
    +-- InputFileError       a file that is read, such as a CSV of devices, is wrong
    +-- OutputError          a file cannot be written, or holds something else and is not overwritten
    +-- Refused              the service refused the call, for a reason of the contract
    +-- Unavailable          no server could serve the call before its deadline
    |   +-- Unreachable      none could even be reached: not there, not listening, or cut off
    +-- DeadlineExceeded     no answer came before the deadline: the outcome is unknown, and asking again is safe

Every one says who has to act (`action`, a name of the contract's Action such as `fix_device`) and what to do next
(`advice`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from linecert_client import explanations

FIX_DEVICE: Final = "fix_device"
FIX_STATION: Final = "fix_station"
ASK_PLANNER: Final = "ask_planner"
CALL_OPERATOR: Final = "call_operator"
RETRY: Final = "retry"

_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        FIX_DEVICE: "Correct what the device sent: the same request would be refused again.",
        FIX_STATION: "Correct the request or the station's settings: the same request would be refused again.",
        ASK_PLANNER: "Ask production planning: the work order or the plan has to change first.",
        CALL_OPERATOR: "Call the operator of the certificate service and pass this message on.",
        RETRY: "Try again later.",
    }
)
MOVE_AWAY: Final = "Move the file away or choose another --out folder, then run the same command again."
_LET_IN: Final = "See that there is room and that this user may read and write there, then run the same command again."
_FAULT: Final = (
    "This is a fault of the service, not of the request. Report it to the operator with the time of the call."
)
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class LinecertError(Exception):
    """Root of what this client raises on purpose.

    Attributes:
        message: what was wrong and where.
        action: who has to act; empty where the fault lies in linecert itself.
    """

    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action

    @property
    def advice(self) -> str:
        """What to do next, in one or two sentences."""
        return _ADVICE.get(self.action, _FAULT)


class ConfigurationError(LinecertError):
    """The client's folder is wrong; the message names the file and what is wrong in it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, action=FIX_STATION)

    @property
    def advice(self) -> str:
        """Where a working folder comes from."""
        return (
            "Correct the file, or ask the operator for a new client folder (`linecert-server station add` makes one)."
        )


class TlsError(LinecertError):
    """TLS itself fails.

    Attributes:
        path: the file that is to blame; None where it is a file of the server's.
        not_after: until when the certificate in it is valid; None where no certificate of ours is to blame.
    """

    def __init__(self, message: str, *, path: Path | None = None, not_after: datetime | None = None) -> None:
        super().__init__(message, action=CALL_OPERATOR)
        self.path = path
        self.not_after = not_after

    @property
    def advice(self) -> str:
        """Who can replace a certificate."""
        return "Check this machine's clock, then ask the operator for a new certificate or the right server-ca.pem."


class InputFileError(LinecertError):
    """A file that is read, such as a CSV of a work order's devices, is wrong: nothing of it was sent.

    Attributes:
        path: the file.
        line: of the file, counted from 1; None where the file as a whole is to blame.
        problems: all that is wrong, one text each with file and line; at most a few are kept.
    """

    def __init__(self, path: Path, problem: str, *, line: int | None = None, problems: Sequence[str] = ()) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {problem}", action=ASK_PLANNER)
        self.path = path
        self.line = line
        self.problems = tuple(problems) or (self.message,)

    @property
    def advice(self) -> str:
        """What to do about the file."""
        return "Correct the file, or ask production planning for a correct one, then run the same command again."


class OutputError(LinecertError):
    """A file cannot be written, or holds something that is not overwritten.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, problem: str, *, advice: str = _LET_IN) -> None:
        super().__init__(f"{path}: {problem}", action=FIX_STATION)
        self.path = path
        self._advice = advice

    @property
    def advice(self) -> str:
        """What to do about the file."""
        return self._advice


class Refused(LinecertError):
    """The service refused the call.

    Attributes:
        reason: as in ErrorInfo.reason, such as `CSR_MALFORMED`; a newer server may give one that this version does not
            know. Empty where the refusal came from gRPC itself.
        status: the gRPC status by name, such as `INVALID_ARGUMENT`.
        field: the request's field that is to blame, such as `csr`; None where there is none.
        retry_after: seconds after which the service asks to be called again; None where that would not help.
        metadata: what ErrorInfo carries beside `action`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: str,
        action: str,
        reason: str = "",
        field: str | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(message, action=action)
        self.status = status
        self.reason = reason
        self.field = field
        self.retry_after = retry_after
        self.metadata = metadata

    @property
    def advice(self) -> str:
        """What to do next, as the catalogue has it; after how many seconds, where the service said so."""
        explained = explanations.catalogue().get(self.reason)
        # A newer service may act otherwise on a reason than this version knows.
        advice = explained.do if explained and explained.action == self.action else super().advice
        if self.retry_after is None:
            return advice
        return f"{advice} Not before {self.retry_after:g} second{'' if self.retry_after == 1 else 's'} from now."


class Unavailable(LinecertError):
    """No server could serve the call before its deadline.

    Attributes:
        last: the last refusal; its action says who has to act.
        request_id: what to send again with; None for a call that only reads.
    """

    def __init__(self, last: Refused, *, request_id: str | None = None) -> None:
        super().__init__(f"gave up at the deadline; the last answer was: {last.message}", action=last.action)
        self.last = last
        self.request_id = request_id

    @property
    def advice(self) -> str:
        """What to do next, with the request_id where there is one."""
        return _with_request_id(self.last.advice, self.request_id)


class Unreachable(Unavailable):
    """No server could be reached before the deadline.

    Args:
        problem: which servers, and what became of the connection to each.
        last: what gRPC said of it.
        action: who has to act.
        request_id: as in `Unavailable`.
    """

    def __init__(self, problem: str, last: Refused, *, action: str, request_id: str | None = None) -> None:
        super().__init__(last, request_id=request_id)
        self.message = problem
        self.args = (problem,)
        self.action = action

    @property
    def advice(self) -> str:
        """Where to look."""
        look = "Look whether linecert-server runs there, and whether the address is right."
        return _with_request_id(look, self.request_id)


class DeadlineExceeded(LinecertError):
    """No answer came before the deadline. A certificate may have been issued: asking again gives the same one.

    Attributes:
        request_id: what to send again with; None for a call that only reads.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message, action=RETRY)
        self.request_id = request_id

    @property
    def advice(self) -> str:
        """What to do next, with the request_id where there is one."""
        return _with_request_id(super().advice, self.request_id)


def _with_request_id(advice: str, request_id: str | None) -> str:
    if request_id is None:
        return advice
    return f"{advice} Sent again with the same request_id, {request_id}, it never makes a second certificate."
