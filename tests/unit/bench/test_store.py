"""The benchmark of the store: its command line, the log that it makes up, and what it writes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from rich.console import Console

from bench import store, store_report
from bench.store_certificates import Template
from bench.store_figures import BURST, CLIENT, Appends, Query, Results, Verification
from bench.store_fill import fill
from bench.store_population import EXAMPLE_ID, Population
from bench.store_run import Options
from linecert.transparency import check_leaf_against_certificate, parse_leaf
from linecert_service.domain.records import CertificateRecord
from linecert_service.store import self_check
from linecert_service.store.backend import Backend
from linecert_service.store.backends import backend_for
from linecert_service.store.leaves import leaf_of_certificate
from support import issuing, postgres

ISSUER = issuing.issuer()
POPULATION = Population(
    entries=1_000,
    begin=1_780_000_000_000_000,
    end=1_790_000_000_000_000,
    issuer_sha256=ISSUER.sha256,
    template=Template.issue(issuing.profile(ISSUER), EXAMPLE_ID),
)
RESULTS = Results(
    database="sqlite",
    settings={"sqlite_version()": "3.40.1"},
    load=0.1,
    entries=1_000,
    fill_seconds=0.1,
    octets=1_500_000,
    size=1_200,
    resident=80_000_000,
    appends=[Appends(BURST, 2.0, [0.01] * 200)],
    queries=[Query("by serial number", 1.0, [0.0005, 0.002], 1), Query("page of a lot", None, [0.03], 7)],
    verifications=[Verification(CLIENT, 1_200, 0.01, ["leaf 7 is gone"])],
)


def certificates(start: int, stop: int) -> list[CertificateRecord]:
    """Of the population."""
    return [record for record in POPULATION.records(start, stop) if isinstance(record, CertificateRecord)]


def test_the_default_is_a_million_rows_on_both_databases() -> None:
    """`make bench-store` alone measures what the issue asks for."""
    assert store.options([]) == Options(1_000_000, ("sqlite", "postgresql"), 3.0)


def test_one_database_may_be_chosen() -> None:
    """Rows, database and seconds come from the command line."""
    asked = store.options(["--rows", "10000000", "--database", "sqlite", "--seconds", "1"])
    assert asked == Options(10_000_000, ("sqlite",), 1.0)


@pytest.mark.parametrize("arguments", [["--rows", "10"], ["--seconds", "0"], ["--database", "mysql"]])
def test_what_cannot_be_measured_is_a_usage_error(arguments: list[str]) -> None:
    """Nothing is started for it."""
    with pytest.raises(SystemExit, match="2"):
        store.options(arguments)


def test_leaves_agree_with_certificates() -> None:
    """What is verified has the form of what the service issues, so that its verification costs the same."""
    for record in certificates(1, 300):
        check_leaf_against_certificate(parse_leaf(leaf_of_certificate(record)), record.certificate)
        parsed = x509.load_der_x509_certificate(record.certificate)
        identifier = parsed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert identifier == x509.SubjectKeyIdentifier.from_public_key(parsed.public_key())


def test_replacements_are_of_devices_before_them() -> None:
    """A second generation has a first one, of the same order, with another key."""
    records = certificates(1, 1_000)
    by_serial = {record.serial: record for record in records}
    replacements = [record for record in records if record.generation > 1]
    assert len(replacements) == 9
    for record in replacements:
        before = by_serial[record.replaces or b""]
        assert before.registration_id == record.registration_id
        assert before.work_order == record.work_order
        assert before.spki_sha256 != record.spki_sha256


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A new database."""
    url = f"sqlite:///{tmp_path}/linecert.db" if request.param == "sqlite" else postgres.cluster().new_database()
    return backend_for(url)


def test_a_filled_database_verifies(backend: Backend) -> None:
    """Rows, subtrees and head are those that appends would have left, on both databases."""
    fill(backend, POPULATION, ISSUER.chain, lambda _: None)
    found = self_check.check(backend, [], lambda _done, _of: None)
    backend.close()
    assert not found.problems
    assert (found.size, found.events) == (1_000, 1 + 5)


def test_what_is_written_says_where_and_what_was_measured() -> None:
    """A result can be understood years later: machine, date, versions, settings, and every measurement."""
    written = json.loads(json.dumps(store_report.document(RESULTS, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))))
    assert written["date"] == "2026-01-02T03:04:05+00:00"
    assert written["machine"]["cores"]
    assert written["versions"]["sqlalchemy"]
    assert written["appends"][0]["rate"] == 6_400
    assert [query["p99"] for query in written["queries"]] == [2.0, 30.0]
    assert {figure["name"]: figure["reached"] for figure in written["figures"]} == {
        "by serial number": True,
        "append, bursts of 64": True,
        CLIENT: True,
    }


def test_a_log_that_does_not_verify_is_shown() -> None:
    """Figures of such a run are not mistaken for good ones."""
    out = Console(width=120)
    with out.capture() as shown:
        store_report.show(RESULTS, out)
    assert f"{CLIENT}: leaf 7 is gone" in shown.get()
