"""Changes of profiles and switches of issuers as events: what each says, that it fits, and that none is told twice."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from linecert_service.domain.events import NewEvent
from linecert_service.domain.records import EventRecord
from linecert_service.issuance.profile import Profile
from linecert_service.issuance.profile_changes import changes
from support.claims import NOW
from support.issuing import issuer, profile

OLD, NEW = issuer(), issuer("P-384")
LATER = NOW + 1000


def recorded(events: Iterable[NewEvent]) -> list[EventRecord]:
    """The events as the log holds them."""
    return [
        EventRecord(number, 1, one.kind, None, None, None, None, None, one.detail, 0)
        for number, one in enumerate(events)
    ]


def told(*versions: Mapping[str, Profile], now: float = NOW) -> list[tuple[str, dict[str, Any]]]:
    """Kind and detail of the events that tell of these versions, one after the other."""
    events: list[NewEvent] = []
    for profiles in versions:
        events += changes(recorded(events), profiles, now)
        # The same again, by another server or after a restart, is told to nobody.
        assert not changes(recorded(events), profiles, now)
    return [(event.kind, json.loads(event.detail or "")) for event in events]


def staged(**fields: Any) -> Profile:
    """A profile whose next issuer is there."""
    return profile(OLD, following=profile(NEW), named=("old", "new"), **fields)


def test_a_new_profile_is_told_as_a_whole() -> None:
    """The log alone says how certificates were made at any time; what is unset is left out."""
    ((kind, detail),) = told({"device": staged(switch_at=LATER, subject={"O": "Contoso"}, clamp=True)})
    assert kind == "profile_changed"
    assert detail == {
        "profile": "device",
        "change": "added",
        "issuer": "old",
        "next_issuer": "new",
        "switch_at": "2027-01-15T08:16:40Z",
        "validity": "157680000",
        "max_validity": "157680000",
        "backdate": "300",
        "clamp": "true",
        "key_types": ",".join(staged().key_types),
        "subject": "O=Contoso",
        "issuer_certificate_sha256": OLD.sha256.hex(),
    }


def test_staging_is_a_change_and_the_switch_an_event_of_its_own() -> None:
    """The switch names both issuers' certificates; staging another time is no switch."""
    events = told({"device": profile(OLD)}, {"device": staged()}, {"device": staged(switch_at=LATER)})
    assert [(kind, detail.get("fields")) for kind, detail in events[1:]] == [
        ("profile_changed", "issuer,next_issuer"),
        ("profile_changed", "switch_at"),
    ]
    by_command = told({"device": profile(OLD, named=("old",))}, {"device": profile(NEW, named=("new",))})
    assert by_command[1] == (
        "issuer_switched",
        {
            "profile": "device",
            "issuer": "issuer",
            "old_issuer_certificate_sha256": OLD.sha256.hex(),
            "new_issuer_certificate_sha256": NEW.sha256.hex(),
        },
    )
    assert (by_command[2][0], by_command[2][1]["fields"]) == ("profile_changed", "issuer")


def test_a_switch_at_a_time_is_told_once_its_time_has_come() -> None:
    """No setting changes then; a server that starts later, with the new issuer alone, finds nothing to tell."""
    profiles = {"device": staged(switch_at=LATER)}
    log = list(changes([], profiles, NOW))
    assert not changes(recorded(log), profiles, LATER - 1)
    log += changes(recorded(log), profiles, LATER)
    assert [event.kind for event in log] == ["profile_changed", "issuer_switched"]
    restarted = {"device": profile(NEW, named=("old", "new"), switch_at=LATER)}
    assert not changes(recorded(log), restarted, LATER + 1)


def test_a_profile_that_goes_and_comes_back_is_told() -> None:
    """And after it has come back it is compared with what it was then."""
    both = {"device": profile(OLD), "gateway": profile(OLD, validity=60, max_validity=60)}
    events = told(both, {"device": profile(OLD)}, both)
    assert [(detail["profile"], detail["change"]) for _, detail in events] == [
        ("device", "added"),
        ("gateway", "added"),
        ("gateway", "removed"),
        ("gateway", "added"),
    ]


def test_an_event_fits_into_its_column() -> None:
    """With every setting at its longest: names of 64 characters, the longest subject, all key types."""
    longest = profile(
        OLD,
        following=profile(NEW),
        named=("i" * 64, "n" * 64),
        switch_at=253_402_300_799,
        validity=31_536_000_000,
        max_validity=31_536_000_000,
        clamp=True,
        subject={"ST": "\N{SNOWMAN}" * 128, "O": "o" * 64},
    )
    (added,) = changes([], {"p" * 64: longest}, NOW)
    assert len(added.detail or "") <= 1024
    other = profile(NEW, named=("o" * 64,), key_types=("P-256",), backdate=31_536_000_000)
    for event in changes(recorded([added]), {"p" * 64: other}, NOW):
        assert len(event.detail or "") <= 1024
