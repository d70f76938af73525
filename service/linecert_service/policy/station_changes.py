"""Changes of `stations.toml` as events of the log: who may do what is history, too.

An event holds the whole entry as of then, so that the log alone says what a station was allowed at any time, and a
server that starts finds by it what was changed while none ran.
"""

import dataclasses
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from linecert import contract
from linecert.transparency import canonical_json
from linecert_service.domain.errors import StoreUnavailable
from linecert_service.domain.events import STATION_CHANGED, NewEvent, parse_detail
from linecert_service.domain.ports import StationLog
from linecert_service.domain.records import EventRecord
from linecert_service.policy.identity import Identity
from linecert_service.policy.patterns import RegistrationIdPatterns
from linecert_service.policy.stations import Station, Stations

Entry = Mapping[str, str]
"""What `stations.toml` says of a station, setting by setting, as an event holds it."""

_NOT_SETTINGS: Final = frozenset({"change", "fields"})
_SHORT: Final = re.compile(r"[ !#-\[\]-~]{0,52}")
"""What stands in an event as it is: with every setting at its longest, the detail is within its 1,024 characters."""
_DIGEST_DIGITS: Final = 32
_ITEMS: Final[Mapping[str, Callable[[Any], str]]] = {"roles": contract.role_name, "revoked_serials": "{:x}".format}
"""How the items of a set are written, where they are not texts."""


class StationChanges:
    """Tells the log how the stations have changed. Belongs to the event loop.

    Args:
        log: what the log knows of stations.
        record: takes over an event.
    """

    def __init__(self, log: StationLog, record: Callable[[NewEvent], None]) -> None:
        self._log = log
        self._record = record
        self._pending: deque[Stations] = deque()
        # What was handed over and may not be in the log yet: the station, and its newest event as of then.
        self._handed_over: dict[str, int | None] = {}

    def note(self, stations: Stations) -> None:
        """These are in force from now on; `settle` tells the log."""
        self._pending.append(stations)

    async def settle(self) -> None:
        """Record what differs from what the log says; what it says already, by whichever server, is not repeated.

        What cannot be compared now, since the store does not answer or has not yet recorded what came before, is left
        for the next time.
        """
        while self._pending:
            try:
                newest = await self._log.newest_changes()
            except StoreUnavailable:
                return
            if any(_index(newest.get(name)) == index for name, index in self._handed_over.items()):
                return
            self._handed_over.clear()
            for event in changes(newest, self._pending.popleft()):
                name = event.station or ""
                self._handed_over[name] = _index(newest.get(name))
                self._record(event)


def changes(newest: Mapping[str, EventRecord], stations: Stations) -> Iterator[NewEvent]:
    """The events that lead from what the log says last of each station to `stations`."""
    before = {name: entry for name, event in newest.items() if (entry := entry_of(event)) is not None}
    for name, station in stations.by_name.items():
        entry = stated(station)
        if name not in before:
            yield _event(name, {"change": "added", **entry})
        elif changed := _differences(before[name], entry):
            yield _event(name, {"change": "changed", "fields": ",".join(changed), **entry})
    for name in sorted(before.keys() - stations.by_name.keys()):
        yield _event(name, {"change": "removed"})


def entry_of(event: EventRecord) -> Entry | None:
    """The entry as a `station_changed` left it; None where it was removed."""
    detail = parse_detail(event.detail)
    if detail.get("change") == "removed":
        return None
    return {name: value for name, value in detail.items() if name not in _NOT_SETTINGS}


def stated(station: Station) -> Entry:
    """The settings of a station that are not their default, each as a text of bounded length."""
    return {
        name: _bounded(text)
        for field in dataclasses.fields(station)
        if field.name != "name" and (value := getattr(station, field.name)) != _default(field)
        for name, text in _texts(field.name, value)
    }


def _texts(name: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case Identity(ca=ca, kind=kind, value=text):
            # Cut like the digests of long values; a chosen CA that shares so much of another's hash is out of reach.
            yield "ca", ca[:_DIGEST_DIGITS]
            yield name, f"{kind} {text}"
        case RegistrationIdPatterns(patterns=patterns):
            if patterns:
                yield name, ",".join(patterns)
        case _:
            yield name, _text(name, value)


def _text(name: str, value: object) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case float():
            text = datetime.fromtimestamp(value, UTC).isoformat()
        case tuple():
            text = ",".join(value)
        case frozenset():
            text = ",".join(sorted(map(_ITEMS.get(name, str), value)))
        case _:
            text = str(value)
    return text


def _bounded(text: str) -> str:
    if _SHORT.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]}"


def _default(field: "dataclasses.Field[object]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _differences(before: Entry, after: Entry) -> Iterable[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _event(station: str, detail: Entry) -> NewEvent:
    return NewEvent(STATION_CHANGED, station=station, detail=canonical_json(dict(detail)).decode())


def _index(event: EventRecord | None) -> int | None:
    return None if event is None else event.log_index
