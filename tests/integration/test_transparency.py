"""The log over the wire: checkpoints, proofs and exports, verified as an auditor verifies them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from linecert.transparency import (
    Checkpoint,
    VerifierKey,
    check_leaf_against_certificate,
    leaf_hash,
    open_checkpoint,
    parse_leaf,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from linecert.v1.audit_pb2 import (
    ExportLogRequest,
    ExportLogResponse,
    GetCheckpointRequest,
    GetConsistencyProofRequest,
    GetInclusionProofRequest,
    GetInclusionProofResponse,
    GetLogInfoRequest,
)
from linecert.v1.issuance_pb2 import IssuedCertificate
from support.installations import NAME
from support.server import AUDITOR, PLANNER, STATION, Caller, Refusal, Running, ask, installation_at, refused, serving

# One server for the module.
pytestmark = pytest.mark.asyncio(loop_scope="module")

DEVICES = 20


class Scene:
    """A server whose newest checkpoint covers the certificates of twenty devices."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.station = server.caller(STATION)
        self.auditor = server.caller(AUDITOR)
        self.issued: list[IssuedCertificate] = []

    async def play(self) -> None:
        """Issue, and wait for the checkpoint."""
        for number in range(DEVICES):
            self.issued.append((await self.station.sign(ask(f"log-{number}"))).issued)
        async with asyncio.timeout(10):
            while (await self.checkpoint()).size <= self.issued[-1].log_index:  # noqa: ASYNC110 - over the wire
                await asyncio.sleep(0.1)

    async def key(self) -> VerifierKey:
        """The key that GetLogInfo gives."""
        info = await self.auditor.audit.GetLogInfo(GetLogInfoRequest())
        return VerifierKey.parse(info.verifier_keys[0])

    async def checkpoint(self) -> Checkpoint:
        """The newest one, verified."""
        answer = await self.auditor.audit.GetCheckpoint(GetCheckpointRequest())
        return open_checkpoint(answer.checkpoint, [await self.key()])

    async def proof(self, caller: Caller | None = None, **fields: Any) -> GetInclusionProofResponse:
        """GetInclusionProof, as the auditor by default."""
        request = GetInclusionProofRequest(**fields)
        proof: GetInclusionProofResponse = await (caller or self.auditor).audit.GetInclusionProof(request)
        return proof

    async def no_proof(self, caller: Caller | None = None, **fields: Any) -> Refusal:
        """The refusal of GetInclusionProof."""
        return await refused((caller or self.auditor).audit.GetInclusionProof(GetInclusionProofRequest(**fields)))

    async def export(self, **fields: Any) -> list[ExportLogResponse]:
        """The messages of ExportLog."""
        return [message async for message in self.auditor.audit.ExportLog(ExportLogRequest(**fields))]

    async def no_export(self, caller: Caller | None = None, **fields: Any) -> Refusal:
        """The refusal of ExportLog."""
        return await refused((caller or self.auditor).audit.ExportLog(ExportLogRequest(**fields)).read())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The module's scene."""
    async with serving(installation_at(tmp_path_factory.mktemp("log") / "server")) as server:
        scene = Scene(server)
        await scene.play()
        yield scene


async def test_log_info(scene: Scene) -> None:
    """The origin is the key's name, and the key is the one that `init` gave to be kept elsewhere."""
    info = await scene.station.audit.GetLogInfo(GetLogInfoRequest())
    assert (info.origin, (await scene.key()).name) == (f"{NAME}/1", f"{NAME}/1")
    published = (scene.server.installation.layout.pki / "log.pub").read_text().strip()
    assert list(info.verifier_keys) == [published]


async def test_a_station_proves_what_it_issued(scene: Scene) -> None:
    """By serial number: leaf, proof and checkpoint are enough to verify the certificate without trust."""
    for issued in scene.issued[:3]:
        proof = await scene.proof(scene.station, serial_number=issued.serial_number)
        checkpoint = open_checkpoint(proof.checkpoint, [await scene.key()])
        assert (proof.log_index, proof.tree_size) == (issued.log_index, checkpoint.size)
        verify_inclusion(leaf_hash(proof.leaf), proof.log_index, proof.tree_size, proof.hashes, checkpoint.root)
        check_leaf_against_certificate(parse_leaf(proof.leaf), issued.certificate)


async def test_the_whole_log_verifies(scene: Scene) -> None:
    """Every leaf from 0 on, the certificates beside theirs, and in the last message the checkpoint over them."""
    messages = await scene.export()
    entries = [entry for message in messages for entry in message.entries]
    assert [message.checkpoint for message in messages[:-1]] == [""] * (len(messages) - 1)
    checkpoint = open_checkpoint(messages[-1].checkpoint, [await scene.key()])
    assert [entry.log_index for entry in entries] == list(range(checkpoint.size))
    assert root_of(leaf_hash(entry.leaf) for entry in entries) == checkpoint.root
    certificates = {entry.log_index: entry for entry in entries if entry.certificate}
    assert certificates.keys() >= {issued.log_index for issued in scene.issued}
    for issued in scene.issued:
        assert certificates[issued.log_index].certificate == issued.certificate
    for entry in entries:
        leaf = parse_leaf(entry.leaf)
        assert leaf["type"] == ("certificate/1" if entry.certificate else "event/1")


async def test_a_part_of_the_log(scene: Scene) -> None:
    """From an index, up to a size; the checkpoint is the newest that does not go beyond it."""
    whole = [entry for message in await scene.export() for entry in message.entries]
    *_, last = await scene.export(start_index=3, tree_size=7)
    part = [entry for message in await scene.export(start_index=3, tree_size=7) for entry in message.entries]
    assert part == whole[3:7]
    assert not last.checkpoint or open_checkpoint(last.checkpoint, [await scene.key()]).size <= 7
    size = (await scene.checkpoint()).size
    (nothing_new,) = await scene.export(start_index=size)
    assert open_checkpoint(nothing_new.checkpoint, [await scene.key()]).size >= size


async def test_consistency_between_any_sizes(scene: Scene) -> None:
    """An old size and a new one: the proof leads from one root to the other."""
    entries = [entry for message in await scene.export() for entry in message.entries]
    leaves = [leaf_hash(entry.leaf) for entry in entries]
    for first, second in ((0, 0), (0, 5), (1, 5), (4, len(leaves)), (len(leaves), len(leaves))):
        request = GetConsistencyProofRequest(from_size=first, to_size=second)
        answer = await scene.auditor.audit.GetConsistencyProof(request)
        verify_consistency(first, root_of(leaves[:first]), second, root_of(leaves[:second]), answer.hashes)


async def test_a_proof_at_an_older_size(scene: Scene) -> None:
    """With a tree_size of the caller's choice there is no checkpoint in the answer: it has one already."""
    index = scene.issued[0].log_index
    proof = await scene.proof(log_index=index, tree_size=index + 2)
    assert (proof.tree_size, proof.checkpoint) == (index + 2, "")


async def test_others_entries_do_not_exist_for_a_station(scene: Scene) -> None:
    """An event, or another's certificate, is as unknown as what is not there."""
    event = next(
        entry.log_index for message in await scene.export() for entry in message.entries if not entry.certificate
    )
    assert (await scene.proof(log_index=event)).leaf
    hidden = await scene.no_proof(scene.station, log_index=event)
    assert (hidden.status, hidden.reason) == ("NOT_FOUND", "LOG_ENTRY_UNKNOWN")


@pytest.mark.parametrize(
    "fields, reason, field",
    [
        ({}, "FIELD_INVALID", "entry"),
        ({"serial_number": "x"}, "FIELD_INVALID", "serial_number"),
        ({"serial_number": "1" * 40}, "CERTIFICATE_UNKNOWN", None),
        ({"log_index": -1}, "FIELD_INVALID", "log_index"),
        ({"log_index": 0, "tree_size": -1}, "FIELD_INVALID", "tree_size"),
        ({"log_index": 2**63 - 1}, "LOG_ENTRY_UNKNOWN", None),
        ({"log_index": 0, "tree_size": 2**63 - 1}, "LOG_ENTRY_UNKNOWN", None),
        ({"log_index": 5, "tree_size": 5}, "LOG_ENTRY_UNKNOWN", None),
    ],
)
async def test_no_inclusion_proof(scene: Scene, fields: dict[str, Any], reason: str, field: str | None) -> None:
    """What is out of form, unknown, or beyond the newest checkpoint."""
    refusal = await scene.no_proof(**fields)
    assert (refusal.reason, refusal.field) == (reason, field)


@pytest.mark.parametrize(
    "fields, reason, field",
    [
        ({"from_size": -1}, "FIELD_INVALID", "from_size"),
        ({"to_size": -1}, "FIELD_INVALID", "to_size"),
        ({"from_size": 3, "to_size": 2}, "FIELD_INVALID", "from_size"),
        ({"from_size": 3, "to_size": 2**63 - 1}, "LOG_ENTRY_UNKNOWN", None),
    ],
)
async def test_no_consistency_proof(scene: Scene, fields: dict[str, Any], reason: str, field: str | None) -> None:
    """Sizes out of form, out of order, or beyond the newest checkpoint."""
    refusal = await refused(scene.auditor.audit.GetConsistencyProof(GetConsistencyProofRequest(**fields)))
    assert (refusal.reason, refusal.field) == (reason, field)


@pytest.mark.parametrize(
    "fields, reason, field",
    [
        ({"start_index": -1}, "FIELD_INVALID", "start_index"),
        ({"tree_size": -1}, "FIELD_INVALID", "tree_size"),
        ({"start_index": 3, "tree_size": 2}, "FIELD_INVALID", "start_index"),
        ({"start_index": 2**62}, "LOG_ENTRY_UNKNOWN", None),
        ({"tree_size": 2**62}, "LOG_ENTRY_UNKNOWN", None),
    ],
)
async def test_no_export(scene: Scene, fields: dict[str, Any], reason: str, field: str | None) -> None:
    """The same for exports."""
    refusal = await scene.no_export(**fields)
    assert (refusal.reason, refusal.field) == (reason, field)


async def test_only_auditors_export(scene: Scene) -> None:
    """Stations and planners do not."""
    for caller in (scene.station, scene.server.caller(PLANNER)):
        assert (await scene.no_export(caller)).reason == "ROLE_MISSING"
