"""An auditor's shell: the client folder with log.pub and verified.json, and the service that it looks at."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from linecert_client.cli import app
from support.audit_service import AuditService
from support.ledger import Ledger


class Auditor:
    """Runs commands in a client folder.

    Attributes:
        service: that the folder's client.toml names.
    """

    def __init__(self, folder: Path, service: AuditService) -> None:
        self.folder = folder
        self.service = service
        self.memory = folder / "verified.json"
        self.trust(service.ledger)

    def trust(self, ledger: Ledger) -> None:
        """Get the keys from the operator."""
        (self.folder / "log.pub").write_text(ledger.key_lines())

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command and hold it to its exit code."""
        result = CliRunner().invoke(app, ["-C", str(self.folder), *arguments])
        assert result.exit_code == code, result.output
        return result.stdout

    def verify(self, *arguments: str, code: int = 0) -> Any:
        """`linecert verify`, as a script reads it."""
        return json.loads(self.run("verify", "--json", *arguments, code=code))

    def findings(self, *arguments: str) -> list[str]:
        """What a verification that fails finds; it changes nothing that is remembered."""
        before = self.memory.read_bytes() if self.memory.exists() else None
        report = self.verify(*arguments, code=8)
        assert before == (self.memory.read_bytes() if self.memory.exists() else None)
        return [finding["code"] for finding in report["findings"]]

    def requests(self, name: str) -> list[Any]:
        """The messages of one type that the service got."""
        return [request for request in self.service.requests if request.DESCRIPTOR.name == name]
