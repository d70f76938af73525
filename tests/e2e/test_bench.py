"""The benchmark itself, for a moment on real servers: what it measures is complete, however slow the machine."""

from pathlib import Path

import pytest
from rich.console import Console

from bench.benchmark import Options, run
from bench.document import document
from support.databases import DATABASES


@pytest.mark.timeout(300)
def test_every_point_is_measured_and_every_certificate_counted(tmp_path: Path) -> None:
    """Single calls and batches, on both databases, beside the echo: no call fails, and nothing is left out."""
    options = Options(("p256",), DATABASES, (4,), 5, seconds=0.3, rounds=1)
    results = run(options, tmp_path, Console(quiet=True))
    assert not results.failures()
    points = results.points()
    # The echo once, the service with single calls and with batches on each database.
    assert len(points) == 1 + 2 * len(DATABASES)
    for point, measured in points.items():
        assert measured.server_cpu > 0, point
        assert measured.certificates == len(measured.latencies) * point.batch, point
        assert (measured.database_cpu > 0) == (point.database == "postgresql"), point
        assert (measured.commits is not None) == bool(point.database), point
        assert measured.sent >= measured.certificates, point
    # Certificate, CSR's hash, log and indexes: about a kilobyte on either database.
    assert all(200 < octets < 20_000 for octets in results.octets.values()), results.octets
    assert {one["name"] for one in document(results)["figures"]} >= {"memory of a server, at most"}
    assert not list(tmp_path.iterdir()), "what was made for the run is removed"
