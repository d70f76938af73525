"""Verifying a file of the log with nothing but the log's key, and the checkpoints that were kept elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from linecert.transparency import VerifierKey
from linecert_client.audit import log_file
from linecert_client.audit.findings import Code, Report
from linecert_client.audit.history import History
from linecert_client.audit.keys import notes_in
from linecert_client.audit.log_file import LogFileError
from linecert_client.audit.tree import read_tree
from linecert_client.progress import Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a log is held against.

    Attributes:
        keys: of the log, all its epochs.
        checkpoints: files with signed notes that were kept elsewhere.
        issuers: DER by hex SHA-256; empty: the signatures of certificates are not verified.
        accept_epoch: the newest epoch up to which it is accepted that the log was restored from a backup.
    """

    keys: Sequence[VerifierKey]
    checkpoints: Sequence[Path] = ()
    issuers: Mapping[str, bytes] = field(default_factory=dict)
    accept_epoch: int = 0


def verify_file(path: Path, evidence: Evidence, progress: Progress = silent) -> Report:
    """Verify the file of a log, as `linecert export --format log` writes it.

    Args:
        path: the file.
        evidence: what it is held against.
        progress: told of bytes that are done.

    Raises:
        OutputError: the file cannot be read.
        ConfigurationError: a file of checkpoints cannot be read.
    """
    report = Report(issuers_checked=bool(evidence.issuers))
    history = History(evidence.keys, report)
    for outside in evidence.checkpoints:
        for number, note in enumerate(notes_in(outside), 1):
            history.add(note, f"{outside}, checkpoint {number}")
    with log_file.open_log(path) as file:
        _take_own_checkpoint(file, history, report)
        tree = read_tree(_leaf_lines(file, progress), sizes=history.sizes(), issuers=evidence.issuers)
    report.leaves, report.certificates = tree.frontier.size, tree.certificates
    report.findings.extend(tree.findings)
    history.compare(tree.frontier.size, tree.roots, tree.epochs, evidence.accept_epoch)
    covered = history.largest()
    if covered < tree.frontier.size:
        report.add(
            Code.TAIL_UNSIGNED,
            f"the leaves {covered} to {tree.frontier.size - 1} are under no signed checkpoint of the newest epoch",
        )
    return report


def _take_own_checkpoint(file: BinaryIO, history: History, report: Report) -> None:
    line = log_file.last_line(file)
    if not log_file.is_checkpoint(line):
        report.add(Code.FILE_MALFORMED, "the file does not end with a signed checkpoint: it was cut off")
        return
    try:
        checkpoint = history.add(log_file.read_checkpoint(line), "the file's last line")
    except LogFileError as error:
        report.add(Code.FILE_MALFORMED, f"the file's last line: {error}")
        return
    if checkpoint:
        report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root.hex()


def _leaf_lines(file: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    done = 0
    for number, line in enumerate(file):
        if log_file.is_checkpoint(line):
            return
        yield line
        done += len(line)
        if not number % _TELL_EVERY:
            progress(done)
            done = 0


_TELL_EVERY = 1024
