"""A factory's log, made up: stations, lines, work orders, lots and profiles lie in it as they do in a real one.

Orders follow each other on each line, so that an order is a stretch of the log with others in between. One device in a
hundred gets a replacement, one entry in two hundred is an event, and one station was taken down long ago.
"""

import hashlib
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.store_certificates import Template, new_point, spki_sha256
from linecert.transparency import canonical_json, leaf_hash
from linecert_service.domain.records import CertificateRecord, EventRecord
from linecert_service.store.backend import Row
from linecert_service.store.growth import LEAF_VERSION, event_row
from linecert_service.store.leaves import leaf_of_certificate, leaf_of_event
from linecert_service.store.rows import row_of

LINES: Final = 8
STATIONS: Final = 40
ORDERS: Final = 2_000
LOTS: Final = 10
"""Of an order."""
BOARDS: Final = 50
ISSUER_ID: Final = 1
RETIRED: Final = "station-00"
"""Issued in the first hundredth of the log only."""
EXAMPLE_ID: Final = "CTL-00000-000000000"

_PRODUCTS: Final = ("CTL", "DRV", "GTW", "SNS")
_DAY: Final = 86_400
_MICROSECONDS: Final = 1_000_000
_EVENT_EVERY: Final = 200
_REPLACEMENT_EVERY: Final = 100
_REPLACED_AT: Final = 50
"""Which one of each hundred is the one that is replaced."""


@dataclass(frozen=True, slots=True)
class Made:
    """A stretch of the log: rows of the two tables, and the hash of each leaf in the order of the log."""

    certificates: Sequence[Row]
    events: Sequence[Row]
    leaves: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Population:
    """What the entries of the log are.

    Attributes:
        entries: how many there are; more may be asked for.
        begin, end: microseconds since 1970 between which they were issued.
        issuer_sha256: of the issuer's certificate.
        template: of the certificates.
    """

    entries: int
    begin: int
    end: int
    issuer_sha256: bytes
    template: Template

    def make(self, start: int, stop: int) -> Made:
        """The entries `start` to `stop - 1`."""
        certificates: list[Row] = []
        events: list[Row] = []
        leaves: list[bytes] = []
        for record in self.records(start, stop):
            if isinstance(record, EventRecord):
                events.append(event_row(record))
                leaf = leaf_of_event(record)
            else:
                certificates.append(row_of(record, ISSUER_ID))
                leaf = leaf_of_certificate(record)
            leaves.append(leaf_hash(leaf))
        return Made(certificates, events, leaves)

    def records(self, start: int, stop: int) -> Iterator[CertificateRecord | EventRecord]:
        """The same as records. Keys are new ones each time, all else follows from the numbers."""
        draw = random.Random(start)
        replaceable: CertificateRecord | None = None
        for index in range(start, stop):
            if index % _EVENT_EVERY == 1:
                yield self._event(index, draw)
                continue
            record = self._certificate(index, draw, replaceable if index % _REPLACEMENT_EVERY == 0 else None)
            if index % _REPLACEMENT_EVERY == _REPLACED_AT:
                replaceable = record
            yield record

    def orders(self) -> Iterator[Row]:
        """Rows of `work_orders`: those under way are open, the others closed."""
        for number in range(ORDERS):
            is_open = number >= ORDERS - LINES
            yield (
                _order_name(number),
                canonical_json([_line_name(number % LINES)]).decode(),
                _profile(number),
                1_000_000_000,
                0 if is_open else self.entries // ORDERS,
                1_000_000_000,
                0,
                "[]",
                0,
                "OPEN" if is_open else "CLOSED",
                self.begin,
                None if is_open else self.end,
                1,
            )

    def _certificate(self, index: int, draw: random.Random, before: CertificateRecord | None) -> CertificateRecord:
        station = draw.randrange(STATIONS)
        line = station % LINES
        order = self._part(index, ORDERS // LINES) * LINES + line
        name = f"{_PRODUCTS[order % len(_PRODUCTS)]}-{order:05}-{index:09}"
        retired = station == 0 and index < self.entries // 100
        issued_at = self.begin + (self.end - self.begin) * index // self.entries
        not_before = issued_at // _MICROSECONDS - 300
        not_after = not_before + (90 if _profile(order) == "sensor" else 5 * 365) * _DAY
        serial = (1 << 158 | draw.getrandbits(158)).to_bytes(20, "big")
        point = new_point()
        if before:
            name = before.registration_id
        certificate = self.template.certificate(serial, name, not_before, not_after, point)
        return CertificateRecord(
            log_index=index,
            leaf_version=LEAF_VERSION,
            serial=serial,
            registration_id=name,
            registration_key=name.lower(),
            generation=2 if before else 1,
            replacement_reason="REWORK" if before else None,
            replaces=before.serial if before else None,
            station=RETIRED if retired else f"station-{station + 1:02}",
            line=before.line if before else _line_name(line),
            request_id=str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            request_sha256=draw.randbytes(32),
            work_order=before.work_order if before else _order_name(order),
            lot=f"L{order:05}-{self._part(index, ORDERS // LINES * LOTS) % LOTS}",
            profile=before.profile if before else _profile(order),
            attributes=f'{{"board":"B-{draw.randrange(BOARDS):02}","firmware":"1.4.2"}}',
            issuer_sha256=self.issuer_sha256,
            not_before=not_before,
            not_after=not_after,
            issued_at=issued_at,
            csr_sha256=draw.randbytes(32),
            spki_sha256=spki_sha256(point),
            certificate_sha256=hashlib.sha256(certificate).digest(),
            certificate=certificate,
        )

    def _event(self, index: int, draw: random.Random) -> EventRecord:
        station = draw.randrange(STATIONS)
        return EventRecord(
            log_index=index,
            leaf_version=LEAF_VERSION,
            kind=draw.choice(("rejected", "rejected", "replayed", "discarded")),
            serial=None,
            registration_key=f"ctl-00000-{index:09}",
            station=f"station-{station + 1:02}",
            actor=None,
            reason="REGISTRATION_ID_TAKEN",
            detail=f'{{"line":"{_line_name(station % LINES)}"}}',
            at=self.begin + (self.end - self.begin) * index // self.entries,
        )

    def _part(self, index: int, parts: int) -> int:
        """In which of so many equal parts of the log an index lies; what was appended later, in the last."""
        return min(index, self.entries - 1) * parts // self.entries


def _line_name(number: int) -> str:
    return f"line-{number + 1}"


def _order_name(number: int) -> str:
    return f"WO-{number:05}"


def _profile(order: int) -> str:
    # Consecutive orders are on different lines: all lines have all profiles.
    return {0: "sensor", 1: "gateway", 2: "gateway", 3: "gateway"}.get(order // LINES % 20, "device")
