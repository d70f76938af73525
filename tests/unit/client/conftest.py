"""What the client's tests share: one PKI a run, a fake service and a client folder a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client_pki import Pki, write_client_folder
from support.fake_service import FakeService


@pytest.fixture(scope="session")
def pki() -> Pki:
    """The CAs of the run."""
    return Pki()


@pytest.fixture
def service(pki: Pki) -> Iterator[FakeService]:
    """A running service without a script."""
    with FakeService(pki.server, pki.station_ca) as running:
        yield running


@pytest.fixture
def folder(pki: Pki, service: FakeService, tmp_path: Path) -> Path:
    """The folder of a client that the service trusts."""
    return write_client_folder(tmp_path / "station", [service.address], pki.station, pki.server_ca)
