"""Verifying the running service, starting from what was verified before."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, Protocol

from linecert.transparency import (
    Checkpoint,
    Frontier,
    LeafError,
    NoteError,
    ProofError,
    VerifierKey,
    check_leaf_against_certificate,
    leaf_hash,
    parse_leaf,
    verify_consistency,
    verify_inclusion,
)
from linecert_client.audit.certificates import Subject
from linecert_client.audit.epochs import EPOCH_STARTED, EpochStart, Origin
from linecert_client.audit.findings import Code, Report
from linecert_client.audit.history import check_epochs
from linecert_client.audit.keys import open_genuine
from linecert_client.audit.memory import Memory
from linecert_client.audit.tree import read_tree
from linecert_client.client import Client
from linecert_client.errors import Refused
from linecert_client.log_results import InclusionProof, LogEntry
from linecert_client.progress import Progress, silent

_ROLE_MISSING: Final = "ROLE_MISSING"


class Reading(Protocol):
    """Is told how many leaves are to be read, and of those that are done."""

    def start(self, leaves: int) -> Progress:
        """The reading begins."""


class Silent:
    """For callers that do not want to know."""

    def start(self, _: int) -> Progress:
        """Nothing is told."""
        return silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the auditor brings along.

    Attributes:
        keys: of the log, all its epochs.
        memory: the file of what was verified before (see `memory`).
        issuers: DER by hex SHA-256; empty: the signatures of certificates are not verified.
        accept_epoch: the newest epoch up to which it is accepted that the log was restored from a backup.
    """

    keys: Sequence[VerifierKey]
    memory: Path
    issuers: Mapping[str, bytes] = field(default_factory=dict)
    accept_epoch: int = 0


class Broken(Exception):
    """What comes next would make no sense: the report holds the finding."""


class LogVerifier:
    """One visit to the service. What was verified is remembered only when nothing was found.

    Args:
        client: of the service.
        trust: what the auditor brings along.
    """

    def __init__(self, client: Client, trust: Trust) -> None:
        self._client = client
        self._trust = trust
        self._memory = Memory.load(trust.memory)
        self._frontier = self._memory.frontier if self._memory else Frontier()
        self._accepted = trust.accept_epoch
        self.report = Report()

    def verify_leaves(self, *, full: bool = False, reading: Reading | None = None) -> Report:
        """Verify that the log only grew, and every leaf that was not read before.

        Args:
            full: read the leaves that were read before as well.
            reading: told of the progress.
        """
        try:
            note = self._client.checkpoint()
            checkpoint = self._head(note)
            self._read(checkpoint, Frontier() if full else self._frontier, reading or Silent())
        except Broken:
            return self.report
        return self._remember(note)

    def verify_certificate(self, subject: Subject) -> Report:
        """Verify that the log only grew, and that a certificate is in it.

        Args:
            subject: the certificate; without its issuer, its signature is not verified.
        """
        try:
            proof = self._client.inclusion_proof(serial_number=subject.serial_number)
            checkpoint = self._head(proof.checkpoint)
            self._check_inclusion(proof, checkpoint)
            check_leaf_against_certificate(parse_leaf(proof.leaf), subject.certificate, subject.issuer)
        except LeafError as error:
            self.report.add(Code.LEAF_MISMATCH, f"leaf {proof.log_index}: {error}", proof.log_index)
            return self.report
        except Broken:
            return self.report
        self.report.leaves = self.report.certificates = 1
        self.report.issuers_checked = subject.issuer is not None
        self.report.note(f"the certificate is leaf {proof.log_index} of the log")
        return self._remember(proof.checkpoint)

    def _head(self, note: str) -> Checkpoint:
        """The checkpoint in a note, shown to go on from the one that is remembered."""
        checkpoint = self._open(note, "the service's checkpoint")
        report = self.report
        report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root.hex()
        if self._memory is None:
            report.note("no checkpoint was remembered: from the next run on, this one is")
            return checkpoint
        known = self._open(self._memory.checkpoint, str(self._trust.memory))
        # What was accepted once is not asked about again.
        self._accepted = max(self._accepted, Origin.parse(known.origin).epoch)
        if checkpoint.origin == known.origin:
            self._check_growth(known, checkpoint)
        else:
            self._check_epochs(known, checkpoint)
        return checkpoint

    def _open(self, note: str, where: str) -> Checkpoint:
        try:
            checkpoint = open_genuine(note, self._trust.keys)
            Origin.parse(checkpoint.origin)
        except NoteError as error:
            self._break(
                Code.CHECKPOINT_NOT_GENUINE,
                f"{where}: {error}; where the log has a new key, get the new log.pub from the operator and put its "
                "line in front of the old one",
            )
        except ValueError as error:
            self._break(Code.CHECKPOINT_NOT_GENUINE, f"{where}: {error}")
        self.report.checkpoints += 1
        return checkpoint

    def _check_growth(self, known: Checkpoint, checkpoint: Checkpoint) -> None:
        if checkpoint.size < known.size:
            self._break(
                Code.WENT_BACK,
                f"the log has {checkpoint.size} leaves, and had {known.size} when it was verified last: it was cut or "
                "restored from a backup",
            )
        if checkpoint.size == known.size and checkpoint.root != known.root:
            self._break(Code.FORKED, f"the service signed two different logs of {known.size} leaves")
        path: Sequence[bytes] = ()
        if 0 < known.size < checkpoint.size:
            path = self._client.consistency_proof(known.size, checkpoint.size)
        try:
            verify_consistency(known.size, known.root, checkpoint.size, checkpoint.root, path)
        except ProofError as error:
            self._break(
                Code.INCONSISTENT,
                f"the log of {checkpoint.size} leaves does not begin with the {known.size} that were verified last: "
                f"history was changed, or a restored backup has grown again ({error})",
            )

    def _check_epochs(self, known: Checkpoint, checkpoint: Checkpoint) -> None:
        """The way from the remembered epoch to this one: proven events, and consistency where the tree went on."""
        old, new = Origin.parse(known.origin), Origin.parse(checkpoint.origin)
        if old.name != new.name:
            self._break(Code.OTHER_LOG, "the service shows another log than the one that was verified last")
        if new.epoch < old.epoch:
            self._break(Code.WENT_BACK, f"the service shows epoch {new.epoch}, and showed {old.epoch} before")
        starts = [start for start in self._epoch_starts(checkpoint) if start.old_origin.epoch >= old.epoch]
        if not starts or starts[-1].epoch != new.epoch:
            self._break(Code.EPOCH_UNANNOUNCED, f"no event in the log says how {new} came after {old}")
        check_epochs(starts, {}, self.report, self._accepted)
        if not self.report.verified:
            raise Broken
        kept = min((start.log_index for start in starts if not start.goes_on), default=known.size)
        if kept < known.size:
            # What was read before is not in the log any more.
            self._frontier = Frontier()
            self.report.note(
                f"the log was read anew: it keeps {kept} at most of the {known.size} leaves verified before"
            )
        else:
            self._check_growth(known, checkpoint)
        self.report.note(f"the log went on from {old} to {new}")

    def _epoch_starts(self, checkpoint: Checkpoint) -> list[EpochStart]:
        pages = self._client.events(kinds=[EPOCH_STARTED])
        starts = []
        for event in itertools.chain.from_iterable(pages):
            if event.log_index >= checkpoint.size:
                continue
            proof = self._client.inclusion_proof(log_index=event.log_index, tree_size=checkpoint.size)
            self._check_inclusion(proof, checkpoint)
            try:
                starts.append(_epoch_start(proof))
            except LeafError as error:
                self._break(Code.EPOCH_FALSE, f"leaf {proof.log_index}: {error}")
        return sorted(starts, key=lambda start: start.log_index)

    def _check_inclusion(self, proof: InclusionProof, checkpoint: Checkpoint) -> None:
        try:
            verify_inclusion(leaf_hash(proof.leaf), proof.log_index, checkpoint.size, proof.hashes, checkpoint.root)
        except ProofError as error:
            self._break(Code.NOT_INCLUDED, f"leaf {proof.log_index} is not proven to be in the log: {error}")

    def _read(self, checkpoint: Checkpoint, start: Frontier, reading: Reading) -> None:
        if start.size > checkpoint.size:
            start = Frontier()
        try:
            tree = read_tree(
                self._leaves(start.size, checkpoint.size),
                start=start,
                sizes=[checkpoint.size],
                issuers=self._trust.issuers,
                progress=reading.start(checkpoint.size - start.size),
            )
        except Refused as refusal:
            if refusal.reason != _ROLE_MISSING:
                raise
            self.report.note("the leaves were not read: that takes the role auditor")
            return
        self.report.leaves, self.report.certificates = tree.frontier.size - start.size, tree.certificates
        self.report.issuers_checked = bool(self._trust.issuers)
        self.report.findings.extend(tree.findings)
        check_epochs(tree.epochs, tree.roots, self.report, self._accepted)
        if tree.frontier.size < checkpoint.size:
            self.report.add(
                Code.TAIL_MISSING, f"the service signed {checkpoint.size} leaves, but gave only {tree.frontier.size}"
            )
        elif tree.roots.get(checkpoint.size) != checkpoint.root:
            self.report.add(
                Code.ROOT_MISMATCH, f"the leaves that the service gave are not the {checkpoint.size} that it signed"
            )
        self._frontier = tree.frontier

    def _leaves(self, start: int, size: int) -> Iterator[LogEntry]:
        if start == size:
            return
        for item in self._client.export_log(start, size):
            if isinstance(item, LogEntry):
                yield item

    def _remember(self, note: str) -> Report:
        if self.report.verified:
            Memory(note, self._frontier).save(self._trust.memory)
        return self.report

    def _break(self, code: Code, message: str) -> NoReturn:
        self.report.add(code, message)
        raise Broken


def _epoch_start(proof: InclusionProof) -> EpochStart:
    leaf = parse_leaf(proof.leaf)
    if leaf.get("kind") != EPOCH_STARTED:
        raise LeafError("it is no event epoch_started")
    return EpochStart.read(proof.log_index, leaf.get("detail"))
