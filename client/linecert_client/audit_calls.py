"""The client's methods that read: what was issued, what happened, and the log that proves it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from linecert.v1 import audit_pb2
from linecert_client.calls import Calls
from linecert_client.filters import EVERYTHING, Filter
from linecert_client.log_results import Event, InclusionProof, LogEntry, LogInfo, SummaryRow
from linecert_client.results import IssuedCertificate, IssuedDevice, Page

Bucket = Literal["minute", "hour", "day"]
Dimension = Literal["station", "line", "work-order", "profile"]


class AuditCalls(Calls):
    """The methods of AuditService. What a caller may see, its roles say; see audit.proto."""

    def get(
        self, *, serial_number: str | None = None, registration_id: str | None = None, deadline: float | None = None
    ) -> IssuedDevice:
        """Read one certificate by its serial number, or a device's newest. Give exactly one of the two.

        Args:
            serial_number: hex, with or without colons.
            registration_id: compared without case.
            deadline: seconds, retries included.

        Raises:
            ValueError: none or both are given.
            Refused: `CERTIFICATE_UNKNOWN` where there is none that this caller may see.
        """
        if (serial_number is None) == (registration_id is None):
            raise ValueError("give either serial_number or registration_id")
        request = audit_pb2.GetIssuedCertificateRequest(serial_number=serial_number, registration_id=registration_id)
        answer = self._call(lambda server: server.audit.GetIssuedCertificate, request, deadline)
        return IssuedDevice.from_answer(answer.issued, answer.chain)

    def list(
        self, criteria: Filter = EVERYTHING, *, page_size: int = 100, deadline: float | None = None
    ) -> Iterator[Page]:
        """Read what was issued, newest first, page by page; the next page is fetched when it is asked for.

        Args:
            criteria: what is meant.
            page_size: at most 1,000.
            deadline: seconds for each page, retries included.

        Yields:
            Pages, of which any may be empty.

        Raises:
            Refused: `FIELD_INVALID` for a filter that the service does not serve.
        """
        request = audit_pb2.ListIssuedCertificatesRequest(filter=criteria.to_proto(), page_size=page_size)
        while True:
            answer = self._call(lambda server: server.audit.ListIssuedCertificates, request, deadline)
            yield Page.from_proto(answer)
            request.page_token = answer.next_page_token
            if not request.page_token:
                return

    def export(self, criteria: Filter = EVERYTHING, *, deadline: float | None = None) -> Iterator[IssuedCertificate]:
        """Read everything that was issued and matches, oldest first. When the stream breaks, it goes on where it was.

        Args:
            criteria: what is meant.
            deadline: seconds that may pass without a record.
        """
        request = audit_pb2.ExportIssuedCertificatesRequest(filter=criteria.to_proto())
        messages = self._stream(lambda server: server.audit.ExportIssuedCertificates, lambda: request, deadline)
        for message in messages:
            for issued in message.issued:
                request.filter.after_log_index = issued.log_index
                yield IssuedCertificate.from_proto(issued)

    def summarize(
        self, criteria: Filter, *, by: Dimension, bucket: Bucket, deadline: float | None = None
    ) -> tuple[SummaryRow, ...]:
        """Count what was issued, replaced and rejected.

        Args:
            criteria: what is meant; `since` and `until` have to be set.
            by: what the counts are broken down by.
            bucket: the spans of time that are counted.
            deadline: seconds, retries included.

        Raises:
            Refused: `FIELD_INVALID` without a time range, or where the answer would have more than 10,000 rows.
        """
        request = audit_pb2.SummarizeIssuanceRequest(
            filter=criteria.to_proto(),
            bucket=f"BUCKET_{bucket.upper()}",
            dimension=f"DIMENSION_{by.upper().replace('-', '_')}",
        )
        answer = self._call(lambda server: server.audit.SummarizeIssuance, request, deadline)
        return tuple(SummaryRow.from_proto(row) for row in answer.rows)

    def events(
        self,
        *,
        kinds: Sequence[str] = (),
        station: str | None = None,
        registration_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
        deadline: float | None = None,
    ) -> Iterator[tuple[Event, ...]]:
        """Read what happened beside issuing, newest first, page by page.

        Args:
            kinds: such as `rejected`; all without it.
            station: that it is about.
            registration_id: of the device that it is about, compared without case.
            since: at or after this time; aware.
            until: before this time; aware.
            page_size: at most 1,000.
            deadline: seconds for each page, retries included.

        Yields:
            Pages, of which any may be empty.
        """
        request = audit_pb2.ListEventsRequest(
            kinds=kinds,
            station=station or "",
            registration_id=registration_id or "",
            start_time=since,
            end_time=until,
            page_size=page_size,
        )
        while True:
            answer = self._call(lambda server: server.audit.ListEvents, request, deadline)
            yield tuple(Event.from_proto(event) for event in answer.events)
            request.page_token = answer.next_page_token
            if not request.page_token:
                return

    def log_info(self, *, deadline: float | None = None) -> LogInfo:
        """The log's name and the keys that the service says it signs with.

        Args:
            deadline: seconds, retries included.
        """
        answer = self._call(lambda server: server.audit.GetLogInfo, audit_pb2.GetLogInfoRequest(), deadline)
        return LogInfo(answer.origin, tuple(answer.verifier_keys))

    def checkpoint(self, *, deadline: float | None = None) -> str:
        """The newest checkpoint, a signed note: open it with `linecert.transparency.open_checkpoint`.

        Args:
            deadline: seconds, retries included.
        """
        answer = self._call(lambda server: server.audit.GetCheckpoint, audit_pb2.GetCheckpointRequest(), deadline)
        return str(answer.checkpoint)

    def inclusion_proof(
        self,
        *,
        serial_number: str | None = None,
        log_index: int | None = None,
        tree_size: int = 0,
        deadline: float | None = None,
    ) -> InclusionProof:
        """The proof that a leaf is in the log: check it with `linecert.transparency.verify_inclusion`.

        Args:
            serial_number: of the certificate that the leaf is about.
            log_index: of the leaf. Give exactly one of the two.
            tree_size: of the tree that it is to be in; 0 for the newest checkpoint's, which then comes along.
            deadline: seconds, retries included.

        Raises:
            ValueError: none or both are given.
        """
        if (serial_number is None) == (log_index is None):
            raise ValueError("give either serial_number or log_index")
        request = audit_pb2.GetInclusionProofRequest(
            serial_number=serial_number, log_index=log_index, tree_size=tree_size
        )
        return InclusionProof.from_proto(
            self._call(lambda server: server.audit.GetInclusionProof, request, deadline),
        )

    def consistency_proof(self, from_size: int, to_size: int, *, deadline: float | None = None) -> tuple[bytes, ...]:
        """The proof that the log only grew: check it with `linecert.transparency.verify_consistency`.

        Args:
            from_size: of the older tree.
            to_size: of the newer one.
            deadline: seconds, retries included.
        """
        request = audit_pb2.GetConsistencyProofRequest(from_size=from_size, to_size=to_size)
        answer = self._call(lambda server: server.audit.GetConsistencyProof, request, deadline)
        return tuple(answer.hashes)

    def export_log(
        self, start_index: int = 0, tree_size: int = 0, *, deadline: float | None = None
    ) -> Iterator[LogEntry | str]:
        """Read the leaves of the log with their certificates. When the stream breaks, it goes on where it was.

        Args:
            start_index: of the first leaf.
            tree_size: up to which; 0 for that of the newest checkpoint.
            deadline: seconds that may pass without a leaf.

        Yields:
            The leaves in their order, and the checkpoint, a signed note, as the last item.
        """
        request = audit_pb2.ExportLogRequest(start_index=start_index, tree_size=tree_size)
        for message in self._stream(lambda server: server.audit.ExportLog, lambda: request, deadline):
            yield from _entries(message, request)
            if message.checkpoint:
                yield message.checkpoint


def _entries(message: audit_pb2.ExportLogResponse, request: Any) -> Iterator[LogEntry]:
    for entry in message.entries:
        request.start_index = entry.log_index + 1
        yield LogEntry(entry.log_index, entry.leaf, entry.certificate)
