"""`linecert stats`, `events` and `list --follow`."""

import itertools
import json
from datetime import UTC, datetime

from linecert_client import Client, Filter
from linecert_client.following import following
from support.auditor import Auditor
from support.fake_service import fail


def test_stats_show_a_bar(auditor: Auditor) -> None:
    """Figures come as a table with bars in proportion, and a total."""
    out = auditor.run(
        "stats", "--since", "2026-01-31", "--until", "2026-02-01", "--by", "work-order", "--bucket", "day"
    )
    assert out.count("█") == 45
    assert "60" in out
    sent = auditor.requests("SummarizeIssuanceRequest")[0]
    assert (sent.bucket, sent.dimension) == (3, 3)
    assert sent.filter.start_time.ToDatetime(tzinfo=UTC) == datetime(2026, 1, 31, tzinfo=UTC)


def test_stats_of_the_last_day(auditor: Auditor) -> None:
    """Without times the last 24 hours are counted; scripts get JSON."""
    rows = json.loads(auditor.run("stats", "--json"))
    assert rows[0] | {"bucket_start": ""} == {
        "bucket_start": "",
        "value": "smt-2",
        "issued": 40,
        "replacements": 2,
        "rejected": 1,
    }
    sent = auditor.requests("SummarizeIssuanceRequest")[0].filter
    assert sent.end_time.seconds - sent.start_time.seconds == 86400


def test_events(auditor: Auditor) -> None:
    """Events come newest first over all pages, as a table or JSON, by kind where one is named."""
    for kind in ("service_started", "rejected"):
        auditor.service.ledger.event(kind, {"count": "3"})
    assert [event["kind"] for event in json.loads(auditor.run("events", "--json"))] == ["rejected", "service_started"]
    out = auditor.run("events", "--kind", "rejected")
    assert "count=3" in out
    assert "service_started" not in out


def test_list_follows_the_log(auditor: Auditor) -> None:
    """What is issued comes once, oldest first, from the log index on or from now."""
    with Client.from_folder(auditor.folder) as client:
        found = following(client, Filter(after_log_index=7), interval=0.01)
        assert [issued.log_index for issued in itertools.islice(found, 2)] == [8, 9]
        auditor.service.ledger.grow(3)
        assert [issued.log_index for issued in itertools.islice(found, 3)] == [10, 11, 12]


def test_list_follows_from_now_on(auditor: Auditor) -> None:
    """Without a log index it begins with what comes after the start."""
    with Client.from_folder(auditor.folder) as client:
        found = following(client, Filter(), interval=0.01)
        auditor.service.script(lambda *_: auditor.service.ledger.grow(0), lambda *_: auditor.service.ledger.grow(2))
        assert [issued.log_index for issued in itertools.islice(found, 2)] == [10, 11]


def test_the_command_follows_until_it_is_ended(auditor: Auditor) -> None:
    """`list --follow` prints one JSON object a line; a refusal ends it with its exit code."""
    auditor.service.script(lambda *_: None, fail("PERMISSION_DENIED"))
    lines = auditor.run("list", "--follow", "--after-log-index", "7", code=6).splitlines()
    assert [json.loads(line)["registration_id"] for line in lines] == ["device-8", "device-9"]
