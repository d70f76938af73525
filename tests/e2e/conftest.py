"""What the end-to-end tests share: a server as a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installations import Installation
from support.server import ServerProcess, installation_at, process


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A fresh installation that no server runs yet."""
    return installation_at(tmp_path / "server")


@pytest.fixture
def server(installation: Installation) -> Iterator[ServerProcess]:
    """A running server process."""
    with process(installation) as running:
        yield running
