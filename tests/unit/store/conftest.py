"""A store on disk, with an issuer that it knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from linecert_service.store.issuers import Issuers
from linecert_service.store.schema import ISSUERS
from linecert_service.store.sqlite import SQLiteBackend
from support.claims import ISSUER_SHA256, NOW


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """A new database, brought to the newest schema."""
    backend = SQLiteBackend(make_url(f"sqlite:///{tmp_path}/linecert.db"))
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
def issuers(backend: SQLiteBackend) -> Issuers:
    """The issuers of the database."""
    issuers = Issuers(backend.engine)
    issuers.sha256_of(1)
    return issuers
