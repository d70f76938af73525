"""AuditService: counts for charts, and events."""

from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.audit_pb2 import (
    ListEventsRequest,
    ListEventsResponse,
    SummarizeIssuanceRequest,
    SummarizeIssuanceResponse,
)
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import Dimension, EventReader, IssuanceFilter, SummaryReader, SummaryRow
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.fields import timestamp
from linecert_service.rpc.filters import event_filter, issuance_filter
from linecert_service.rpc.messages import event_message
from linecert_service.rpc.page_tokens import page_size, page_token, read_page_token

MAX_ROWS: Final = 10_000

_SECOND: Final = 1_000_000
_BUCKETS: Final = {
    SummarizeIssuanceRequest.BUCKET_MINUTE: 60 * _SECOND,
    SummarizeIssuanceRequest.BUCKET_HOUR: 3_600 * _SECOND,
    SummarizeIssuanceRequest.BUCKET_DAY: 86_400 * _SECOND,
}
_DIMENSIONS: Final = {
    SummarizeIssuanceRequest.DIMENSION_STATION: Dimension.STATION,
    SummarizeIssuanceRequest.DIMENSION_LINE: Dimension.LINE,
    SummarizeIssuanceRequest.DIMENSION_WORK_ORDER: Dimension.WORK_ORDER,
    SummarizeIssuanceRequest.DIMENSION_PROFILE: Dimension.PROFILE,
}


class ReportHandlers:
    """The methods of AuditService that only planners and auditors call: they see everything.

    Args:
        summaries: counts.
        events: reads events.
    """

    def __init__(self, summaries: SummaryReader, events: EventReader) -> None:
        self._summaries = summaries
        self._events = events

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {"SummarizeIssuance": self.summarize_issuance, "ListEvents": self.list_events}

    async def summarize_issuance(self, message: SummarizeIssuanceRequest, _call: Call) -> SummarizeIssuanceResponse:
        """Counts by time and one dimension."""
        wanted = _summary_filter(message)
        bucket, dimension = _BUCKETS.get(message.bucket), _DIMENSIONS.get(message.dimension)
        if bucket is None:
            raise _invalid("bucket", "must be a minute, an hour or a day, in UTC")
        if dimension is None:
            raise _invalid("dimension", "must be station, line, work order or profile")
        rows = await self._summaries.summarize(wanted, bucket, dimension, MAX_ROWS)
        if len(rows) > MAX_ROWS:
            raise _invalid("bucket", f"gives more than {MAX_ROWS} rows: choose a larger one, or a narrower filter")
        return SummarizeIssuanceResponse(rows=map(_row_message, rows))

    async def list_events(self, message: ListEventsRequest, _call: Call) -> ListEventsResponse:
        """A page of events, newest first."""
        size = page_size(message.page_size)
        wanted = event_filter(message)
        page = await self._events.page(wanted, read_page_token(message.page_token, wanted), size)
        return ListEventsResponse(
            events=map(event_message, page.events),
            next_page_token="" if page.next_before is None else page_token(page.next_before, wanted),
        )


def _summary_filter(message: SummarizeIssuanceRequest) -> IssuanceFilter:
    wanted = issuance_filter(message.filter, visible_to=None)
    for name in ("start_time", "end_time"):
        if getattr(wanted, name) is None:
            raise _invalid(f"filter.{name}", "must be set: counting needs a range of time")
    if wanted.state is not None:
        raise _invalid("filter.state", "cannot be asked for here: what was issued is counted, whatever became of it")
    return wanted


def _row_message(row: SummaryRow) -> SummarizeIssuanceResponse.Row:
    return SummarizeIssuanceResponse.Row(
        bucket_start=timestamp(row.bucket_start),
        value=row.value,
        issued=row.issued,
        replacements=row.replacements,
        rejected=row.rejected,
    )


def _invalid(field: str, problem: str) -> Refused:
    return Refused(reasons.ERROR_REASON_FIELD_INVALID, f"{field} {problem}", field=field)
