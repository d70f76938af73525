"""A server that dies leaves no core: its memory holds the CA's key."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installations import Installation
from support.server import process

if sys.platform != "linux":
    pytest.skip("says what the kernel of Linux does", allow_module_level=True)

import resource

_DUMPED = 0x80
"""WCOREFLAG of wait(2)."""


@pytest.fixture
def _cores_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is started dumps its core, as far as the machine lets it, into the test's folder."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    monkeypatch.chdir(tmp_path)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.usefixtures("_cores_wanted")
def test_a_server_that_aborts_leaves_no_core(installation: Installation, tmp_path: Path) -> None:
    """Though its starter would have let it; and users without rights cannot look into its memory meanwhile."""
    with process(installation) as server:
        limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
        assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == ["0", "0"]
        os.kill(server.pid, signal.SIGABRT)
        _, status = os.waitpid(server.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not status & _DUMPED
    assert not list(tmp_path.glob("core*"))


def test_every_command_forbids_cores() -> None:
    """Not `serve` alone: `issuer request`, `self-test` and `check` open keys, pass phrases and PINs."""
    program = (
        "import atexit, ctypes, resource\n"
        "from linecert_service.cli import main\n"
        "def tell():\n"
        "    print(ctypes.CDLL(None).prctl(3), *resource.getrlimit(resource.RLIMIT_CORE), flush=True)\n"
        "atexit.register(tell)\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "issuer", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.splitlines()[-1] == "0 0 0"


def test_the_kernel_is_told_also_where_cores_are_piped_away() -> None:
    """There it disregards the limit: the process says that it is not to be dumped."""
    program = (
        "import ctypes\n"
        "from linecert_service import core_dumps\n"
        "core_dumps.forbid()\n"
        "core_dumps.forbid()\n"
        "raise SystemExit(ctypes.CDLL(None).prctl(3))\n"  # PR_GET_DUMPABLE
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
