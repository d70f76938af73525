"""What the integration tests share: a server in the test's event loop, with real sockets, TLS and a SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.installations import Installation
from support.server import AUDITOR, Caller, Running, installation_at, serving


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A fresh installation that no server runs yet."""
    return installation_at(tmp_path / "server")


@pytest.fixture
async def server(installation: Installation) -> AsyncIterator[Running]:
    """A running server."""
    async with serving(installation) as running:
        yield running


@pytest.fixture
def station(server: Running) -> Caller:
    """A connection of station-01."""
    return server.caller()


@pytest.fixture
def auditor(server: Running) -> Caller:
    """A connection of auditor-01."""
    return server.caller(AUDITOR)
