"""What the client's tests share: one PKI a run, a fake service and a client folder a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audit_service import AuditService
from support.auditor import Auditor
from support.client_pki import Pki, write_client_folder
from support.fake_service import FakeService
from support.ledger import Ledger
from support.planner import Planner
from support.planner_service import PlannerService


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


@pytest.fixture
def auditor(pki: Pki, tmp_path: Path) -> Iterator[Auditor]:
    """An auditor of a service with a log of 10 certificates."""
    with AuditService(pki.server, pki.station_ca, Ledger.of(10)) as service:
        yield Auditor(write_client_folder(tmp_path / "auditor", [service.address], pki.station, pki.server_ca), service)


@pytest.fixture
def planner(pki: Pki, tmp_path: Path) -> Iterator[Planner]:
    """A planner of a service without orders."""
    with PlannerService(pki.server, pki.station_ca) as service:
        yield Planner(write_client_folder(tmp_path / "planner", [service.address], pki.station, pki.server_ca), service)
