"""Counts by time and one dimension. See `domain.ports.SummaryReader`."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, func, literal_column, select

from linecert_service.domain.events import parse_detail
from linecert_service.domain.ports import Dimension, IssuanceFilter, SummaryRow
from linecert_service.store.backend import Backend
from linecert_service.store.conditions import conditions_of, has_prefix, stretch_of
from linecert_service.store.readers import Readers
from linecert_service.store.schema import CERTIFICATES, EVENTS
from linecert_service.store.stretch import Stretch, stretch_between

PART: Final = 100_000
"""Entries that one query counts: some tenths of a second, so that no other reader waits long."""

_C: Final = CERTIFICATES.c
_E: Final = EVENTS.c


class StoreSummaryReader:
    """Counts part by part, each in a short transaction; the end of the log is fixed at the beginning."""

    def __init__(self, backend: Backend, readers: Readers) -> None:
        self._backend = backend
        self._readers = readers

    async def summarize(
        self, wanted: IssuanceFilter, bucket: int, dimension: Dimension, limit: int
    ) -> Sequence[SummaryRow]:
        """Counts by buckets of `bucket` microseconds, in the order of time and value."""
        count = _Count(wanted, bucket, dimension, self._backend)
        certificates, events = await self._readers.run(count.stretches)
        for part in certificates.parts(PART):
            await self._readers.run(partial(count.issued, part))
            if len(count.rows) > limit:
                break
        for part in events.parts(PART):
            if len(count.rows) > limit:
                break
            await self._readers.run(partial(count.rejected, part))
        return sorted(count.rows.values(), key=lambda row: (row.bucket_start, row.value))


class _Count:
    """One summary while it grows."""

    def __init__(self, wanted: IssuanceFilter, bucket: int, dimension: Dimension, backend: Backend) -> None:
        self._wanted = wanted
        self._bucket = bucket
        self._dimension = dimension
        self._backend = backend
        self.rows: dict[tuple[int, str], SummaryRow] = {}

    def stretches(self) -> tuple[Stretch, Stretch]:
        """Where the certificates and the events stand that are to be counted."""
        wanted = self._wanted
        with self._backend.asking() as connection:
            certificates = stretch_of(connection, wanted)
            events = stretch_between(connection, EVENTS, wanted.start_time, wanted.end_time)
        if wanted.lot is not None or wanted.attributes or wanted.spki_sha256 is not None:
            # No event says this of a request.
            return certificates, Stretch(0, 0)
        after = -1 if wanted.after_log_index is None else wanted.after_log_index
        return certificates, Stretch(max(events.low, after + 1), events.high)

    def issued(self, part: Stretch) -> None:
        """Count certificates."""
        conditions = conditions_of(self._wanted, self._backend.contains, now=0)
        value, start = _C[self._dimension.value], self._start_of(_C.issued_at)
        query = select(start, value, func.count(), func.count(_C.replacement_reason)).group_by(start, value)
        where = [part.holds(_C.log_index), *conditions.all]
        with self._backend.asking() as connection:
            for bucket_start, name, issued, replacements in connection.execute(query.where(*where)):
                row = self._row(bucket_start, name)
                row.issued += issued
                row.replacements += replacements

    def rejected(self, part: Stretch) -> None:
        """Count what the events say of refused requests."""
        start = self._start_of(_E.at)
        query = select(start, _E.station, _E.detail, func.count()).group_by(start, _E.station, _E.detail)
        where = [_E.kind == "rejected", part.holds(_E.log_index), *self._event_conditions()]
        with self._backend.asking() as connection:
            for bucket_start, station, detail, events in connection.execute(query.where(*where)):
                said = {"station": station, **parse_detail(detail)}
                if self._matches(said):
                    self._row(bucket_start, said.get(self._dimension.value)).rejected += events * _number(said)

    def _event_conditions(self) -> Iterator[ColumnElement[bool]]:
        wanted = self._wanted
        if wanted.station is not None:
            yield _E.station == wanted.station
        if wanted.registration_key is not None:
            yield _E.registration_key == wanted.registration_key
        if wanted.registration_key_prefix is not None:
            yield has_prefix(_E.registration_key, wanted.registration_key_prefix)

    def _matches(self, said: Mapping[str, str]) -> bool:
        """Whether an event is about the line, profile and order that are asked for: these are no columns of events."""
        asked = ((name, getattr(self._wanted, name)) for name in ("line", "profile", "work_order"))
        return all(value is None or said.get(name) == value for name, value in asked)

    def _start_of(self, time: ColumnElement[int]) -> ColumnElement[int]:
        # The number stands in the text of the query: PostgreSQL takes two parameters for two different groups.
        return time - time % literal_column(str(self._bucket), BigInteger)

    def _row(self, bucket_start: int, value: str | None) -> SummaryRow:
        return self.rows.setdefault((bucket_start, value or ""), SummaryRow(bucket_start, value or ""))


def _number(said: Mapping[str, str]) -> int:
    """How many requests an event stands for."""
    count = said.get("count", "1")
    return int(count) if count.isdecimal() else 1
