"""The monitoring files speak of metrics that the service has. That they are valid, promtool says in `make check`."""

import re

import pytest

from linecert_service.observability.metrics import Metrics
from support.checkout import ROOT

FOLDER = ROOT / "deploy/monitoring"
METRIC = re.compile(r"\blinecert_[a-z_]+")


@pytest.mark.parametrize("name", ["rules.yml", "rules_test.yml"])
def test_alerts_look_at_metrics_that_exist(name: str) -> None:
    """An alert on a misspelt or renamed metric would never fire, and nobody would notice."""
    used = set(METRIC.findall((FOLDER / name).read_text(encoding="utf-8")))
    assert used
    assert used <= set(Metrics().registry._names_to_collectors)


def test_every_alert_has_a_test() -> None:
    """Each alert of the rules is fired in their tests."""
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "rules.yml").read_text(encoding="utf-8"))
    tested = re.findall(r"alertname: (\w+)", (FOLDER / "rules_test.yml").read_text(encoding="utf-8"))
    assert alerts
    assert set(alerts) == set(tested)
