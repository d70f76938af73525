"""Changes of profiles and switches of their issuers as events of the log: what was issued how is history, too.

An event holds the whole profile as of then, so that a server that starts finds by the log what was changed while none
ran, and of several servers only the first one to see a change records it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from linecert.transparency import canonical_json
from linecert_service.domain.events import ISSUER_SWITCHED, PROFILE_CHANGED, NewEvent, parse_detail
from linecert_service.domain.records import EventRecord
from linecert_service.issuance.profile import Profile

Entry = Mapping[str, str]
"""What is said of a profile, setting by setting, as an event holds it."""

ISSUER_SHA256: Final = "issuer_certificate_sha256"
_NOT_SETTINGS: Final = frozenset({"change", "fields", "profile"})
_SHORT: Final = re.compile(r"[ !#-\[\]-~]{0,52}")
"""What stands in an event as it is: with every setting at its longest, the detail is within its 1,024 characters."""
_DIGEST_DIGITS: Final = 32


def changes(told: Iterable[EventRecord], profiles: Mapping[str, Profile], now: float) -> Sequence[NewEvent]:
    """The events that lead from what the log has told of profiles to those that are in force.

    Args:
        told: the events of profiles, oldest first.
        profiles: those of the settings.
        now: seconds since 1970: decides which of its issuers a profile has.
    """
    before = _as_told(told)
    events: list[NewEvent] = []
    for name, profile in profiles.items():
        entry = stated(profile, now)
        if name in before:
            events += _differences(name, profile.at(now).issuer.name, before[name], entry)
        else:
            events.append(_event(PROFILE_CHANGED, name, {"change": "added", **entry}))
    gone = sorted(before.keys() - profiles.keys())
    return [*events, *(_event(PROFILE_CHANGED, name, {"change": "removed"}) for name in gone)]


def stated(profile: Profile, now: float) -> Entry:
    """What an event says of a profile: its settings, durations in seconds, and the issuer that it has at `now`."""
    issuer, *staged = profile.named
    settings = {
        "issuer": issuer,
        "next_issuer": "".join(staged),
        "switch_at": _time(profile.switch_at),
        "validity": str(profile.validity or ""),
        "max_validity": str(profile.max_validity or ""),
        "not_after": _time(profile.not_after),
        "backdate": str(profile.backdate),
        "clamp": "true" if profile.clamp else "",
        "key_types": ",".join(profile.key_types),
        "subject": _bounded(",".join(f"{name}={value}" for name, value in profile.subject.items())),
        ISSUER_SHA256: profile.at(now).issuer.sha256.hex(),
    }
    return {name: value for name, value in settings.items() if value}


def _as_told(told: Iterable[EventRecord]) -> dict[str, Entry]:
    """The profiles as the log leaves them."""
    found: dict[str, Entry] = {}
    for event in told:
        detail = parse_detail(event.detail)
        name = detail.get("profile", "")
        if event.kind == ISSUER_SWITCHED:
            found[name] = {**found.get(name, {}), ISSUER_SHA256: detail.get(f"new_{ISSUER_SHA256}", "")}
        elif detail.get("change") == "removed":
            found.pop(name, None)
        else:
            found[name] = {setting: value for setting, value in detail.items() if setting not in _NOT_SETTINGS}
    return found


def _differences(name: str, issuer: str, before: Entry, after: Entry) -> Iterator[NewEvent]:
    old, new = before.get(ISSUER_SHA256, ""), after[ISSUER_SHA256]
    if old != new:
        detail = {"issuer": issuer, f"old_{ISSUER_SHA256}": old, f"new_{ISSUER_SHA256}": new}
        yield _event(ISSUER_SWITCHED, name, detail)
    fields = sorted(field for field in before.keys() | after.keys() if before.get(field) != after.get(field))
    if settings := [field for field in fields if field != ISSUER_SHA256]:
        yield _event(PROFILE_CHANGED, name, {"change": "changed", "fields": ",".join(settings), **after})


def _event(kind: str, profile: str, detail: Entry) -> NewEvent:
    return NewEvent(kind, detail=canonical_json({"profile": profile, **detail}).decode())


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bounded(text: str) -> str:
    if _SHORT.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]}"
