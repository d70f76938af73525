"""A planner's shell: the client folder, files beside it, and the service that it calls."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from linecert_client import Client
from linecert_client.cli import app
from support.planner_service import PlannerService


class Planner:
    """Runs `linecert work-order`.

    Attributes:
        folder: of the client.
        service: that the folder's client.toml names.
    """

    def __init__(self, folder: Path, service: PlannerService) -> None:
        self.folder = folder
        self.service = service

    def client(self) -> Client:
        """The client as a library."""
        return Client.from_folder(self.folder)

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command and hold it to its exit code."""
        result = CliRunner().invoke(app, ["-C", str(self.folder), "work-order", *arguments], env={"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result

    def read(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints for scripts."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def write(self, name: str, text: str, *, encoding: str = "utf-8") -> str:
        """A file of the planner's; its path."""
        path = self.folder.parent / name
        path.write_bytes(text.encode(encoding))
        return str(path)
