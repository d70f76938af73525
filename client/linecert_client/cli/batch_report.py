"""What `linecert batch` says: with --json a line a device, for people a summary and what failed, and an exit code."""

import json
from collections import Counter
from typing import Any, Final

import typer

from linecert_client.batch.failures import Failures, reason
from linecert_client.batch.results import AlreadyThere, Failed, Issued, Result
from linecert_client.cli import report
from linecert_client.errors import Refused
from linecert_client.progress import Progress
from linecert_client.records import FIELDS, json_value

_SHOWN: Final = 20


class BatchReport:
    """Is told what became of each device.

    Args:
        failures: collects those that failed.
        done: is told how many more are done.
        as_json: print for scripts.
    """

    def __init__(self, failures: Failures, done: Progress, *, as_json: bool) -> None:
        self._failures = failures
        self._done = done
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._shown: list[Failed] = []

    def tell(self, result: Result) -> None:
        """What became of one device."""
        self._counts[_outcome(result)] += 1
        if isinstance(result, Failed):
            self._failures.add(result)
            if result.reached:
                self._actions[result.error.action] += 1
                if len(self._shown) < _SHOWN:
                    self._shown.append(result)
        if self._as_json:
            typer.echo(json.dumps(_json(result)))
        self._done(1)

    def finish(self) -> None:
        """Print the summary, and write the failures.

        Raises:
            OutputError: the file of the failures cannot be written.
        """
        self._failures.write()
        if self._as_json:
            typer.echo(json.dumps({"summary": {name: self._counts[name] for name in _OUTCOMES}}))
        else:
            self._print()

    def exit_code(self) -> int:
        """0 when every device has its certificate, else that of the action that most of the others need."""
        # Of two that are as common the one that came first, as Counter has it.
        return report.exit_code_of(self._actions.most_common(1)[0][0]) if self._actions else 0

    def _print(self) -> None:
        from linecert_client.cli import tables  # noqa: PLC0415 - rich costs start-up time that scripts need not pay

        if self._shown:
            tables.print_rows(("device", "stated in", "reason", "what", "next"), map(_row, self._shown))
            if self._counts["failed"] > len(self._shown):
                typer.echo(f"and {self._counts['failed'] - len(self._shown)} more that failed: --failures has them all")
        tables.print_rows(
            ("outcome", "devices"),
            [(_OUTCOMES[name], str(self._counts[name])) for name in _OUTCOMES if self._counts[name]],
        )


_OUTCOMES: Final = {
    "issued": "issued",
    "given_again": "given again: issued by an earlier call",
    "already_there": "already there: not asked again",
    "failed": "failed",
    "not_reached": "not reached before the batch ended",
}


def _outcome(result: Result) -> str:
    match result:
        case Issued():
            return "given_again" if result.answer.replayed else "issued"
        case AlreadyThere():
            return "already_there"
        case Failed():
            return "failed" if result.reached else "not_reached"


def _json(result: Result) -> dict[str, Any]:
    facts = {"outcome": _outcome(result), "file": str(result.device.file), "line": result.device.line}
    if isinstance(result, Failed):
        return facts | _failure(result)
    key = result.files.key_path
    facts |= {"chain_file": str(result.files.chain_path), "key_file": str(key) if key.exists() else None}
    if isinstance(result, AlreadyThere):
        return {"registration_id": result.registration_id} | facts
    return {name: json_value(getattr(result.answer, name)) for name in FIELDS} | facts


def _failure(failed: Failed) -> dict[str, Any]:
    error = failed.error
    facts: dict[str, Any] = {"registration_id": failed.registration_id, "error": type(error).__name__}
    facts |= {"message": error.message, "reason": reason(failed), "action": error.action, "advice": error.advice}
    if isinstance(error, Refused):
        facts |= {"status": error.status, "field": error.field, "retry_after": error.retry_after}
        facts["metadata"] = dict(error.metadata)
    return facts


def _row(failed: Failed) -> tuple[str, ...]:
    name = failed.registration_id or ""
    texts = (name, failed.device.where, reason(failed), failed.error.message, failed.error.advice)
    return tuple(map(report.printable, texts))
