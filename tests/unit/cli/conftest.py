"""A fresh installation for each test."""

from pathlib import Path

import pytest

from support.installations import Installation, make_installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """What `init` makes."""
    return make_installation(tmp_path / "linecert")
