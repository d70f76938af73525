"""The benchmark with a key vault fails when a figure is missed, whichever it is."""

from pathlib import Path

import pytest

from bench import key_vault, report
from bench.figures import Figure

KEPT = [Figure("rate with 1,000 waiting", 300, 285, at_least=True), Figure("p99 at matching load", 100, 250)]


@pytest.mark.parametrize(
    "missed",
    [
        None,
        Figure("rate with 1,000 waiting", 284, 285, at_least=True),
        Figure("p99 at matching load", 251, 250),
        Figure("throttled by the vault", 1, 0),
    ],
)
def test_status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missed: Figure | None) -> None:
    """0 when all are reached, else 1."""
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(key_vault, "_measure", lambda _folder, _seconds: KEPT + ([missed] if missed else []))
    assert key_vault.main([]) == (1 if missed else 0)
