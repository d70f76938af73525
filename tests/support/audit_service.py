"""A fake service whose audit methods answer from a real log in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc

from linecert.transparency import consistency_path, inclusion_path, leaf_hash, parse_leaf, root_of
from linecert.transparency.merkle import SubtreeHash
from linecert.v1 import audit_pb2, issuance_pb2, signing_pb2
from support.client_pki import Identity
from support.fake_service import FakeService, refuse
from support.ledger import ISSUER, ROOT, Ledger

_BURST = 3


class AuditService(FakeService):
    """The server; what it shows is the ledger that it holds at the time.

    Attributes:
        ledger: the log; a test puts another one in its place.
        break_after: messages after which each stream breaks, each number once.
        break_status: with which it does.
        roles_missing: methods that are refused for the caller's role.
    """

    def __init__(self, identity: Identity, client_ca: Identity, ledger: Ledger) -> None:
        super().__init__(identity, client_ca)
        self.ledger = ledger
        self.break_after: list[int] = []
        self.break_status = grpc.StatusCode.UNAVAILABLE
        self.roles_missing: set[str] = set()

    def GetIssuers(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The chain that the ledger's certificates end in."""
        return self._next(request, context) or signing_pb2.GetIssuersResponse(chains=[_chain()], station="auditor-01")

    def GetLogInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Origin and keys."""
        answer = audit_pb2.GetLogInfoResponse(
            origin=self.ledger.origin, verifier_keys=self.ledger.key_lines().splitlines()
        )
        return self._next(request, context) or answer

    def GetCheckpoint(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The newest one that was signed."""
        return self._next(request, context) or audit_pb2.GetCheckpointResponse(checkpoint=self.ledger.notes[-1])

    def GetInclusionProof(self, request: Any, context: grpc.ServicerContext) -> Any:
        """By serial number or index."""
        scripted = self._next(request, context)
        if scripted:
            return scripted
        size = request.tree_size or int(self.ledger.notes[-1].split("\n")[1])
        index = request.log_index
        if request.serial_number:
            wanted = f'"serial_number":"{request.serial_number}"'.encode()
            index = next(entry.log_index for entry in self.ledger.entries if wanted in entry.leaf)
        return audit_pb2.GetInclusionProofResponse(
            log_index=index,
            tree_size=size,
            hashes=inclusion_path(index, size, self._subtrees()),
            leaf=self.ledger.entries[index].leaf,
            checkpoint="" if request.tree_size else self.ledger.notes[-1],
        )

    def GetConsistencyProof(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Over the ledger as it is."""
        hashes = consistency_path(request.from_size, request.to_size, self._subtrees())
        return self._next(request, context) or audit_pb2.GetConsistencyProofResponse(hashes=hashes)

    def ExportLog(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """In small messages, the checkpoint in the last."""
        self._next(request, context)
        if "ExportLog" in self.roles_missing:
            refuse("ROLE_MISSING", "PERMISSION_DENIED", "call_operator")(self, request, context)
        size = request.tree_size or int(self.ledger.notes[-1].split("\n")[1])
        entries = self.ledger.entries[request.start_index : size]
        for message in self._messages(entries, context):
            yield audit_pb2.ExportLogResponse(
                entries=[
                    audit_pb2.ExportLogResponse.Entry(
                        log_index=entry.log_index, leaf=entry.leaf, certificate=entry.certificate
                    )
                    for entry in message
                ]
            )
        yield audit_pb2.ExportLogResponse(checkpoint=self.ledger.notes[-1])

    def ExportIssuedCertificates(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Oldest first; of the filter only after_log_index and the line count here."""
        self._next(request, context)
        for message in self._messages(self._issued(request.filter), context):
            yield audit_pb2.ExportIssuedCertificatesResponse(issued=message)

    def ListIssuedCertificates(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Newest first, in pages."""
        self._next(request, context)
        found = self._issued(request.filter)[::-1]
        start = int(request.page_token or 0)
        end = start + request.page_size
        return audit_pb2.ListIssuedCertificatesResponse(
            issued=found[start:end], next_page_token=str(end) if end < len(found) else ""
        )

    def GetIssuedCertificate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The newest that fits."""
        self._next(request, context)
        for issued in reversed(self._issued(audit_pb2.IssuanceFilter())):
            if request.serial_number == issued.serial_number or request.registration_id == issued.registration_id:
                return audit_pb2.GetIssuedCertificateResponse(issued=issued, chain=_chain())
        return refuse("CERTIFICATE_UNKNOWN", "NOT_FOUND", "fix_station")(self, request, context)

    def SummarizeIssuance(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Two rows."""
        rows = [
            audit_pb2.SummarizeIssuanceResponse.Row(value="smt-2", issued=40, replacements=2, rejected=1),
            audit_pb2.SummarizeIssuanceResponse.Row(value="smt-3", issued=20),
        ]
        return self._next(request, context) or audit_pb2.SummarizeIssuanceResponse(rows=rows)

    def ListEvents(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Those of the ledger, newest first, one a page."""
        self._next(request, context)
        found = [event for event in map(_event, reversed(self.ledger.entries)) if event]
        found = [event for event in found if not request.kinds or event.kind in request.kinds]
        start = int(request.page_token or 0)
        return audit_pb2.ListEventsResponse(
            events=found[start : start + 1], next_page_token=str(start + 1) if start + 1 < len(found) else ""
        )

    def _subtrees(self) -> SubtreeHash:
        hashes = [leaf_hash(entry.leaf) for entry in self.ledger.entries]
        return lambda level, index: root_of(hashes[index << level : (index + 1) << level])

    def _issued(self, criteria: audit_pb2.IssuanceFilter) -> list[issuance_pb2.IssuedCertificate]:
        after = criteria.after_log_index if criteria.HasField("after_log_index") else -1
        found = [_record(entry) for entry in self.ledger.entries[after + 1 :] if entry.certificate]
        return [record for record in found if criteria.line in ("", record.line)]

    def _messages(self, items: list[Any], context: grpc.ServicerContext) -> Iterator[list[Any]]:
        breaks = self.break_after.pop(0) if self.break_after else None
        for number, start in enumerate(range(0, len(items), _BURST)):
            if number == breaks:
                context.abort(self.break_status, "the script broke the stream")
            yield items[start : start + _BURST]


def _chain() -> issuance_pb2.IssuerChain:
    return issuance_pb2.IssuerChain(issuer_certificate_sha256="ab" * 32, intermediates=[ISSUER.der], root=ROOT.der)


def _record(entry: Any) -> issuance_pb2.IssuedCertificate:
    leaf = parse_leaf(entry.leaf)
    texts = ("serial_number", "registration_id", "generation", "station", "line", "request_id", "work_order", "lot")
    record = issuance_pb2.IssuedCertificate(
        **{name: leaf[name] for name in texts if name in leaf},
        profile=leaf["profile"],
        attributes=leaf.get("attributes", {}),
        certificate=entry.certificate,
        certificate_sha256=leaf["certificate_sha256"],
        state=issuance_pb2.IssuedCertificate.STATE_ACTIVE,
        log_index=entry.log_index,
    )
    for name in ("not_before", "not_after", "issue_time"):
        getattr(record, name).FromJsonString(leaf[name])
    return record


def _event(entry: Any) -> audit_pb2.ListEventsResponse.Event | None:
    leaf = parse_leaf(entry.leaf)
    if leaf["type"] != "event/1":
        return None
    return audit_pb2.ListEventsResponse.Event(
        log_index=entry.log_index,
        kind=leaf["kind"],
        time=datetime.fromisoformat(leaf["time"]).astimezone(UTC),
        detail=leaf.get("detail", {}),
    )
