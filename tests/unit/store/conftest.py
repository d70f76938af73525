"""A store on disk, with an issuer that it knows: every test of it runs on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for
from linecert_service.store.issuers import Issuers
from linecert_service.store.schema import ISSUERS
from support import postgres
from support.claims import ISSUER_SHA256, NOW


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database."""
    return f"sqlite:///{tmp_path}/linecert.db" if request.param == "sqlite" else postgres.cluster().new_database()


@pytest.fixture
def backend(store_url: str) -> Iterator[Backend]:
    """A new database, brought to the newest schema."""
    backend = backend_for(store_url)
    backend.upgrade()
    with backend.engine.begin() as connection:
        connection.execute(
            ISSUERS.insert().values(
                id=1, certificate_sha256=ISSUER_SHA256, key_sha256=b"k" * 32, chain=b"", added_at=NOW * 1_000_000
            )
        )
    yield backend
    backend.close()


@pytest.fixture
def issuers(backend: Backend) -> Issuers:
    """The issuers of the database."""
    issuers = Issuers(backend.engine)
    issuers.sha256_of(1)
    return issuers
