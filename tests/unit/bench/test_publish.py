"""The tables of the documents are those of the published result."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import publish
from bench.document import document
from support.bench_results import results
from support.checkout import ROOT

WRITTEN = document(results(), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize("name", publish.DOCUMENTS)
def test_documents_show_the_published_result(name: str) -> None:
    """No figure in a table was typed by hand; `make bench-docs` writes all of them."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- bench:" in text
    assert publish.render(text, json.loads(publish.PUBLISHED.read_text(encoding="utf-8"))) == text


def test_tables_say_when_and_on_what_they_were_measured() -> None:
    """Machine, date and its load stand above them."""
    for table in (publish.speed(WRITTEN), publish.capacity(WRITTEN)):
        assert "Measured on 2026-01-02" in table
        assert WRITTEN["machine"]["processor"] in table
        assert "load of the machine before: 0.5" in table


def test_the_speed_table_has_a_line_for_each_way_to_call() -> None:
    """Rates by number of callers, and what was measured at 64."""
    lines = publish.speed(WRITTEN).splitlines()
    assert "| P-256, SQLite, single | 500/s | - | 500/s | 1.00 | 300 us | 3.0 | 500.0 / 990.0 / 999.0 ms |" in lines
    assert any(line.startswith("| P-256, SQLite, batches of 50 | - | 500/s | - |") for line in lines)


def test_an_unknown_table_is_an_error() -> None:
    """A marker that is mistyped does not stay empty for ever."""
    with pytest.raises(KeyError):
        publish.render("<!-- bench:none -->\n<!-- /bench -->", WRITTEN)


def test_what_is_no_result_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents stay as they are."""
    path = tmp_path / "other.json"
    path.write_text("{}")
    assert publish.main([str(path)]) == 1
    assert "other.json" in capsys.readouterr().err
