"""What the tests of this room share: a checker, and a way to say 'refused, and rightly so'."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from linecert.contract import refusal
from linecert_service.csr.checker import CsrChecker
from linecert_service.domain.errors import Refused


@pytest.fixture(scope="session")
def checker() -> CsrChecker:
    """A checker that knows no keys."""
    return CsrChecker()


@pytest.fixture(scope="session")
def refused(checker: CsrChecker) -> Callable[[bytes], str]:
    """Gives the reason for which a CSR is refused, such as `CSR_MALFORMED`; fails when it is not."""

    def reason(data: bytes) -> str:
        with pytest.raises(Refused) as caught:
            checker.check(data)
        assert caught.value.field == "csr"
        assert caught.value.__cause__ is None
        assert caught.value.message
        return refusal(caught.value.reason).name

    return reason


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[[str], bytes]:
    """Runs the `openssl` command of this machine in a directory of its own, and gives what it prints."""

    def run(arguments: str) -> bytes:
        command = ["openssl", *shlex.split(arguments)]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60).stdout

    return run
