"""The command `openssl`, as a user has it."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

needs_openssl: Final = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
"""Mark for tests that run it."""


def openssl(command: str, *arguments: str, folder: Path) -> str:
    """Run a command in `folder` and return its output; it must succeed. `arguments` may hold spaces."""
    result = subprocess.run(
        ["openssl", *command.split(), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def verify_client_chain(chain: bytes, folder: Path) -> None:
    """Verify a chain of leaf, intermediates, root as a strict TLS server would verify its client."""
    blocks = [block + b"-----END CERTIFICATE-----\n" for block in chain.split(b"-----END CERTIFICATE-----\n")[:-1]]
    for name, content in (("leaf", blocks[:1]), ("intermediates", blocks[1:-1]), ("root", blocks[-1:])):
        (folder / f"{name}.pem").write_bytes(b"".join(content))
    options = "-x509_strict -purpose sslclient -CAfile root.pem -untrusted intermediates.pem"
    assert "leaf.pem: OK" in openssl(f"verify {options} leaf.pem", folder=folder)
