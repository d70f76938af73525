"""AuditService: the transparency log, its checkpoints and its proofs (RFC 9162, C2SP tlog-checkpoint)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from linecert.v1 import error_reason_pb2 as reasons
from linecert.v1.audit_pb2 import (
    ExportLogRequest,
    ExportLogResponse,
    GetCheckpointRequest,
    GetCheckpointResponse,
    GetConsistencyProofRequest,
    GetConsistencyProofResponse,
    GetInclusionProofRequest,
    GetInclusionProofResponse,
    GetLogInfoRequest,
    GetLogInfoResponse,
)
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import LogEntry, LogReader, SignedCheckpoint
from linecert_service.rpc import fields
from linecert_service.rpc.dispatch import Call, Handler
from linecert_service.rpc.visibility import visible_entries


class LogHandlers:
    """The methods of AuditService about the log. Stations get proofs for what they issued themselves.

    Args:
        log: reads the log.
        origin: the log's name, `NAME/EPOCH`.
        verifier_keys: what verifies its checkpoints (C2SP signed-note), the current key first.
    """

    def __init__(self, log: LogReader, *, origin: str, verifier_keys: Sequence[str]) -> None:
        self._log = log
        self._info = GetLogInfoResponse(origin=origin, verifier_keys=verifier_keys)

    def by_method(self) -> dict[str, Handler]:
        """The handlers by method name."""
        return {
            "GetLogInfo": self.get_log_info,
            "GetCheckpoint": self.get_checkpoint,
            "GetInclusionProof": self.get_inclusion_proof,
            "GetConsistencyProof": self.get_consistency_proof,
            "ExportLog": self.export_log,
        }

    async def get_log_info(self, _message: GetLogInfoRequest, _call: Call) -> GetLogInfoResponse:
        """The log's name and keys."""
        return self._info

    async def get_checkpoint(self, _message: GetCheckpointRequest, _call: Call) -> GetCheckpointResponse:
        """The newest checkpoint."""
        return GetCheckpointResponse(checkpoint=(await self._newest()).note)

    async def get_inclusion_proof(self, message: GetInclusionProofRequest, call: Call) -> GetInclusionProofResponse:
        """The proof that an entry is in the log."""
        asked_size = _position(message.tree_size, "tree_size")
        station = visible_entries(call.caller.station)
        index = await self._index(message, station)
        newest = await self._newest()
        size = _size(asked_size, newest)
        if index >= newest.size:
            raise _unknown("the newest checkpoint does not cover the entry: ask again when there is a newer one")
        if index >= size:
            raise _unknown("a log of tree_size entries does not hold the entry: ask for a larger tree_size, or for 0")
        proof = await self._log.inclusion(index, size, station)
        if proof is None:
            raise _unknown("there is no such entry, or none that this caller may see")
        return GetInclusionProofResponse(
            log_index=index,
            tree_size=size,
            hashes=proof.hashes,
            leaf=proof.leaf,
            checkpoint="" if asked_size else newest.note,
        )

    async def get_consistency_proof(
        self, message: GetConsistencyProofRequest, _call: Call
    ) -> GetConsistencyProofResponse:
        """The proof that the log of one size is the beginning of that of another."""
        from_size = _position(message.from_size, "from_size")
        to_size = _position(message.to_size, "to_size")
        if from_size > to_size:
            raise _invalid("from_size", "must not be more than to_size")
        _size(to_size, await self._newest())
        return GetConsistencyProofResponse(hashes=await self._log.consistency(from_size, to_size))

    async def export_log(self, message: ExportLogRequest, _call: Call) -> AsyncGenerator[ExportLogResponse, None]:
        """All entries from an index on, and last the newest checkpoint that does not go beyond them."""
        start = _position(message.start_index, "start_index")
        asked_size = _position(message.tree_size, "tree_size")
        if asked_size and start > asked_size:
            raise _invalid("start_index", "must not be more than tree_size")
        newest = await self._newest()
        size = _size(asked_size, newest)
        if start > size:
            raise _beyond(newest)
        checkpoint = newest if size == newest.size else await self._log.newest_checkpoint(size)
        async with aclosing(self._log.entries(start, size)) as parts:
            async for part in parts:
                yield ExportLogResponse(entries=map(_entry_message, part))
        yield ExportLogResponse(checkpoint=checkpoint.note if checkpoint else "")

    async def _newest(self) -> SignedCheckpoint:
        newest = await self._log.newest_checkpoint()
        if newest is None:
            raise _unknown("the log has no checkpoint yet: the first one follows its first entry within seconds")
        return newest

    async def _index(self, message: GetInclusionProofRequest, station: str | None) -> int:
        match message.WhichOneof("entry"):
            case "log_index":
                return _position(message.log_index, "log_index")
            case "serial_number":
                serial = fields.serial_number(message.serial_number, "serial_number")
                index = await self._log.index_of(serial, station)
                if index is None:
                    raise Refused(
                        reasons.ERROR_REASON_CERTIFICATE_UNKNOWN,
                        "there is no such certificate, or none that this caller may see",
                    )
                return index
        raise _invalid("entry", "names no entry: set serial_number or log_index")


def _size(asked: int, newest: SignedCheckpoint) -> int:
    """The size of the tree that is asked for; 0: the newest checkpoint's."""
    if asked > newest.size:
        raise _beyond(newest)
    return asked or newest.size


def _position(value: int, field: str) -> int:
    if value < 0:
        raise _invalid(field, "must not be negative")
    return value


def _entry_message(entry: LogEntry) -> ExportLogResponse.Entry:
    return ExportLogResponse.Entry(log_index=entry.log_index, leaf=entry.leaf, certificate=entry.certificate or b"")


def _beyond(newest: SignedCheckpoint) -> Refused:
    return _unknown(f"the newest checkpoint covers {newest.size} entries, and the request asks for more")


def _unknown(message: str) -> Refused:
    return Refused(reasons.ERROR_REASON_LOG_ENTRY_UNKNOWN, message)


def _invalid(field: str, problem: str) -> Refused:
    return Refused(reasons.ERROR_REASON_FIELD_INVALID, f"{field} {problem}", field=field)
