"""Write the parts of the documents that follow from code: `make docs`; `--check` only says whether they are stale.

A generated part stands between `<!-- generated:NAME -->` and `<!-- /generated -->`; the markers are written by hand,
what is between them by this script. Comments are not in the descriptors at run time, so those of the error reasons are
read from the .proto file.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2

from linecert import contract
from linecert.v1.error_reason_pb2 import ErrorReason
from linecert.v1.options_pb2 import Action
from linecert_service.observability.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/contract.md", "docs/operations.md")
REASONS_PROTO = ROOT / "proto/linecert/v1/error_reason.proto"

FIRST_EXIT_CODE = 3
"""Of the client, for the first action of the contract; the others follow in its order."""

_PART = re.compile(r"(?P<begin><!-- generated:(?P<name>[a-z]+) -->\n).*?(?P<end><!-- /generated -->)", re.DOTALL)
_STATUS_HEADING = re.compile(rf"(?:{'|'.join(code_pb2.Code.keys())})[.,:]")
_VALUE = re.compile(r"\s*(ERROR_REASON_[A-Z_]+) = \d+")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def reason_comments(proto: str) -> dict[str, str]:
    """What the .proto says above each reason, by the value's name.

    A comment that opens with a status heads a group of reasons and is no reason's own; neither is one that a blank line
    parts from what follows.
    """
    comments: dict[str, str] = {}
    above: list[str] = []
    for line in proto.splitlines():
        text = line.strip()
        if text.startswith("//"):
            above.append(text.removeprefix("//").strip())
            continue
        if value := _VALUE.match(line):
            comments[value[1]] = " ".join(part for part in above if not _STATUS_HEADING.match(part))
        above.clear()
    return comments


def errors() -> str:
    """The reasons of the contract: status, who acts, and what the .proto says of each."""
    comments = reason_comments(REASONS_PROTO.read_text(encoding="utf-8"))
    refusals = [(contract.refusal(reason), comments[ErrorReason.Name(reason)]) for reason in contract.reasons()]
    return table(
        ("Reason", "Status", "Action", "Note"),
        ([f"`{one.name}`", f"`{one.status_name}`", f"`{one.action_name}`", note] for one, note in refusals),
    )


def actions() -> str:
    """The actions of the contract, with the exit code of the client."""
    names = [Action.Name(value).removeprefix("ACTION_").lower() for value in Action.values() if value]
    return table(
        ("Action", "Exit code of `linecert`"),
        ([f"`{name}`", str(code)] for code, name in enumerate(names, start=FIRST_EXIT_CODE)),
    )


def roles() -> str:
    """Every method of the contract with the roles that may call it."""
    return table(
        ("Method", "Roles"), (_method_row(method) for service in contract.SERVICES for method in service.methods)
    )


def _method_row(method: MethodDescriptor) -> list[str]:
    names = (contract.role_name(role) for role in sorted(contract.roles_of(method)))
    return [f"`{method.containing_service.name}.{method.name}`", ", ".join(names)]


def metrics() -> str:
    """Every metric of the service but those of process and platform, in the order of their definition."""
    # prometheus_client has no public way to list metrics that have no sample yet, nor their labels.
    collectors = cast("Any", Metrics().registry)._collector_to_names  # noqa: SLF001
    rows = (_metric_row(collector) for collector in collectors if hasattr(collector, "_labelnames"))
    return table(("Metric", "Type", "Labels", "What"), rows)


def _metric_row(collector: Any) -> list[str]:
    (family,) = collector.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return [f"`{name}`", family.type, ", ".join(collector._labelnames), family.documentation]  # noqa: SLF001


PARTS: Mapping[str, Callable[[], str]] = {
    "errors": errors,
    "actions": actions,
    "roles": roles,
    "metrics": metrics,
}


def render(text: str) -> str:
    """The document `text` with its generated parts made anew.

    Raises:
        KeyError: it asks for a part that this script does not make.
    """
    return _PART.sub(lambda part: f"{part['begin']}{PARTS[part['name']]()}{part['end']}", text)


def stale() -> dict[Path, str]:
    """The documents that are not up to date, with what they should be."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / name for name in DOCUMENTS)}
    return {path: new for path, old in texts.items() if (new := render(old)) != old}


def main(arguments: list[str] | None = None) -> int:
    """Write the generated parts, or with `--check` name the documents whose parts are stale; the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documents.")
    parser.add_argument("--check", action="store_true", help="only say which documents are stale")
    check = parser.parse_args(arguments).check
    documents = stale()
    for path, text in documents.items():
        print(f"{path.relative_to(ROOT)}: {'stale, run make docs' if check else 'written'}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and documents else 0


if __name__ == "__main__":
    sys.exit(main())
