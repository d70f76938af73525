"""The base distribution is thin, and runs on Windows."""

import importlib.metadata
import re
import subprocess
import sys

import pytest

_POSIX_ONLY = ("fcntl", "pwd", "grp", "resource", "termios", "uvloop")
_SERVER_ONLY = ("sqlalchemy", "alembic", "pydantic", "pydantic_settings", "structlog", "tomlkit", "linecert_service")

_IMPORT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError("blocked by the test", name=name)

sys.meta_path.insert(0, Absent())
for name in {absent!r}:
    sys.modules.pop(name, None)
import {module}
from {module} import *
print(*sorted(name.partition(".")[0] for name in sys.modules))
"""


@pytest.mark.parametrize("module", ["linecert_client", "linecert_client.cli", "linecert_client.cli.tables"])
def test_imports_without_server_packages_and_posix_modules(module: str) -> None:
    """Client and command line import in a fresh interpreter that has neither; they need none of them."""
    code = _IMPORT.format(absent=_POSIX_ONLY + _SERVER_ONLY, module=module)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert not {*_POSIX_ONLY, *_SERVER_ONLY} & set(run.stdout.split())


def test_command_line_starts_without_tables() -> None:
    """Importing the command line does not load rich's tables."""
    code = "import sys, linecert_client.cli; print('rich.table' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "False"


def test_base_requires_six_packages() -> None:
    """Installing `linecert` without extras asks for these packages and no other."""
    required = importlib.metadata.requires("linecert") or []
    base = {re.match(r"[A-Za-z0-9._-]+", line).group() for line in required if "extra ==" not in line}  # type: ignore[union-attr]
    assert base == {"cryptography", "googleapis-common-protos", "grpcio", "protobuf", "rich", "typer"}


def test_public_names_exist() -> None:
    """Every public name of the package can be imported, and no other comes into being."""
    import linecert_client  # noqa: PLC0415 - its lazy names are what is tested

    for name in linecert_client.__all__:
        assert getattr(linecert_client, name).__name__ == name
    with pytest.raises(AttributeError, match="Clinet"):
        linecert_client.Clinet  # noqa: B018 - the look-up is the test
