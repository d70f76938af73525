"""An exported log, verified with nothing but the log's key: every way to cheat is found, and named."""

import base64
import json
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from linecert.transparency import canonical_json, leaf_hash, root_of
from linecert_client.audit import keys, log_file, tree
from linecert_client.audit.findings import Code, Report
from linecert_client.audit.leaves import CHUNK_SIZE
from linecert_client.audit.offline import Evidence, verify_file
from linecert_client.audit.tree import read_tree
from linecert_client.cli import app
from linecert_client.log_results import LogEntry
from support.ledger import ISSUER, ROOT, Ledger, certificate_entry

_COUNT = 20


@pytest.fixture(scope="module")
def log() -> Ledger:
    """A log of certificates with an event among them, under two checkpoints."""
    ledger = Ledger()
    ledger.grow(7)
    ledger.event("service_started")
    ledger.checkpoint()
    ledger.grow(_COUNT - 8)
    ledger.checkpoint()
    return ledger


class File:
    """An auditor's folder: an exported log, the key, checkpoints that were kept elsewhere."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.path = folder / "log.jsonl"
        self.key = folder / "log.pub"
        self.outside = folder / "checkpoints.txt"
        self.key.write_text(ledger.key_lines())
        self.write(ledger.lines())

    def write(self, lines: Iterable[bytes]) -> None:
        """Put these lines in the place of the file's."""
        self.path.write_bytes(b"".join(lines))

    def lines(self) -> list[bytes]:
        """The file's lines."""
        return self.path.read_bytes().splitlines(keepends=True)

    def keep(self, notes: Iterable[str]) -> None:
        """Keep checkpoints elsewhere, as the service publishes them."""
        self.outside.write_text("".join(f"{note}\n" for note in notes))

    def verify(self, *, issuers: bool = False, accept_epoch: int = 0) -> Report:
        """Verify, with the outside checkpoints where there are any."""
        chains = {leaf_issuer(): ISSUER.der} if issuers else {}
        evidence = Evidence(
            keys=keys.read_keys(str(self.key)),
            checkpoints=[self.outside] if self.outside.exists() else [],
            issuers=chains,
            accept_epoch=accept_epoch,
        )
        return verify_file(self.path, evidence)


def leaf_issuer() -> str:
    """The issuer as leaves name it."""
    return str(json.loads(certificate_entry("x")[0])["issuer_certificate_sha256"])


@pytest.fixture
def file(tmp_path: Path, log: Ledger) -> File:
    """The log, exported."""
    return File(tmp_path, log)


def codes(report: Report) -> set[Code]:
    """What was found."""
    return {finding.code for finding in report.findings.kept}


def renumbered(lines: list[bytes]) -> list[bytes]:
    """The lines with numbers from 0 on, as if nothing were missing."""
    entries = [log_file.read_entry(line)._replace(log_index=number) for number, line in enumerate(lines[:-1])]
    return [*(log_file.write_entry(entry) for entry in entries), lines[-1]]


def changed(line: bytes, **fields: object) -> bytes:
    """The line with other values in its leaf."""
    entry = log_file.read_entry(line)
    return log_file.write_entry(entry._replace(leaf=canonical_json(json.loads(entry.leaf) | fields)))


def test_an_honest_log_verifies(file: File, log: Ledger) -> None:
    """Nothing is found in an honest log; leaves, certificates and checkpoints are counted."""
    file.keep(log.notes)
    report = file.verify(issuers=True)
    assert report.findings.kept == []
    assert (report.origin, report.size, report.root) == ("factory-7/1", _COUNT, log.root().hex())
    assert (report.leaves, report.certificates, report.checkpoints) == (_COUNT, _COUNT - 1, 3)


def test_a_row_deleted(file: File) -> None:
    """A row that was taken out leaves a gap in the numbers."""
    lines = file.lines()
    file.write(lines[:5] + lines[6:])
    report = file.verify()
    assert Code.LEAVES_MISSING in codes(report)
    assert "leaves 5 to 5 are missing" in {finding.message for finding in report.findings.kept}


def test_a_row_deleted_and_renumbered(file: File, log: Ledger) -> None:
    """A row that was taken out, and the gap closed, is found by the number of leaves, and by older checkpoints."""
    lines = file.lines()
    file.write(renumbered(lines[:5] + lines[6:]))
    assert codes(file.verify()) == {Code.TAIL_MISSING}
    file.keep(log.notes)
    assert codes(file.verify()) == {Code.ROOT_MISMATCH}


@pytest.mark.parametrize(
    "field, value", [("work_order", "WO-2"), ("station", "ict-08"), ("issue_time", "2026-01-31T06:00:00.000004Z")]
)
def test_a_field_or_the_time_altered(file: File, field: str, value: str) -> None:
    """A leaf with another work order, station or time has another hash, and so the log another root."""
    lines = file.lines()
    file.write([*lines[:5], changed(lines[5], **{field: value}), *lines[6:]])
    assert codes(file.verify()) == {Code.ROOT_MISMATCH}


def test_the_certificate_altered(file: File) -> None:
    """Another certificate in the place of one is not that of its leaf."""
    lines = file.lines()
    entry = log_file.read_entry(lines[5])
    other = certificate_entry("device-5")[1]
    file.write([*lines[:5], log_file.write_entry(entry._replace(certificate=other)), *lines[6:]])
    report = file.verify()
    assert codes(report) == {Code.LEAF_MISMATCH}
    assert report.findings.kept[0].log_index == 5


def test_a_certificate_removed(file: File) -> None:
    """A leaf about a certificate without it is found."""
    lines = file.lines()
    file.write([*lines[:5], log_file.write_entry(log_file.read_entry(lines[5])._replace(certificate=b"")), *lines[6:]])
    assert codes(file.verify()) == {Code.LEAF_MISMATCH}


def test_a_leaf_that_names_another_device(tmp_path: Path) -> None:
    """A leaf that claims another device than its certificate is found although the log was signed with it."""
    ledger = Ledger.of(3)
    ledger.append(*certificate_entry("device-3", stated_id="device-4", at=2_000_000_000_000_000))
    ledger.checkpoint()
    report = File(tmp_path, ledger).verify()
    assert codes(report) == {Code.LEAF_MISMATCH}
    assert "registration_id" in report.findings.kept[0].message


def test_two_rows_swapped(file: File) -> None:
    """Two rows in each other's place are found by their numbers; renumbered, by the root and the time."""
    lines = file.lines()
    lines[5], lines[6] = lines[6], lines[5]
    file.write(lines)
    assert {Code.LEAF_OUT_OF_PLACE, Code.ROOT_MISMATCH} <= codes(file.verify())
    file.write(renumbered(lines))
    assert codes(file.verify()) == {Code.ROOT_MISMATCH, Code.TIME_RAN_BACK}


def test_the_tail_cut_after_a_checkpoint_kept_outside(file: File, log: Ledger) -> None:
    """A log that ends, honestly signed, before a checkpoint that was kept elsewhere has lost its tail."""
    file.write([*file.lines()[:8], log_file.write_checkpoint(log.notes[0])])
    assert file.verify().verified
    file.keep(log.notes)
    assert codes(file.verify()) == {Code.TAIL_MISSING}


def test_a_log_forked_with_the_stolen_key(file: File, log: Ledger) -> None:
    """A history that was rewritten and signed with the log's own key contradicts a checkpoint kept elsewhere."""
    forged = log.fork(5)
    forged.grow(_COUNT - 5, "forged")
    forged.checkpoint()
    file.write(forged.lines())
    assert file.verify().verified
    file.keep(log.notes)
    report = file.verify()
    assert codes(report) == {Code.FORKED, Code.ROOT_MISMATCH}


def test_a_fork_of_another_size(file: File, log: Ledger) -> None:
    """A fork is found as well when no two checkpoints are of one size."""
    forged = log.fork(5)
    forged.grow(_COUNT, "forged")
    forged.checkpoint()
    file.write(forged.lines())
    file.keep(log.notes)
    assert codes(file.verify()) == {Code.ROOT_MISMATCH}


def test_a_restored_backup(file: File, log: Ledger) -> None:
    """A log from an older backup is smaller than a checkpoint kept elsewhere; grown again, it is another one."""
    restored = log.fork(10)
    restored.checkpoint()
    file.write(restored.lines())
    file.keep(log.notes)
    assert codes(file.verify()) == {Code.TAIL_MISSING}
    restored.grow(_COUNT)
    restored.checkpoint()
    file.write(restored.lines())
    assert codes(file.verify()) == {Code.ROOT_MISMATCH}


def test_where_the_change_lies_is_said(file: File, log: Ledger) -> None:
    """Older checkpoints that still match bound the place of a change."""
    lines = file.lines()
    file.write([*lines[:12], changed(lines[12], lot="L"), *lines[13:]])
    file.keep(log.notes)
    assert "before leaf 20" in file.verify().findings.kept[0].message
    assert "not before leaf 8" in file.verify().findings.kept[0].message


def test_a_checkpoint_by_another_key(file: File, log: Ledger) -> None:
    """A checkpoint that a stranger signed for this log is not taken."""
    stranger = log.fork()
    stranger.signers = Ledger().signers
    stranger.checkpoint()
    file.write(stranger.lines())
    assert codes(file.verify()) == {Code.CHECKPOINT_NOT_GENUINE, Code.TAIL_UNSIGNED}


def test_leaves_behind_the_checkpoint(file: File, log: Ledger) -> None:
    """Leaves that no checkpoint covers are not verified silently."""
    file.write([*file.lines()[:-1], log_file.write_checkpoint(log.notes[0])])
    assert codes(file.verify()) == {Code.TAIL_UNSIGNED}


def test_a_file_cut_off(file: File) -> None:
    """A file without its last line, or with a torn one, is no verified log."""
    data = file.path.read_bytes()
    file.path.write_bytes(data[: len(data) // 2])
    report = file.verify()
    assert {Code.FILE_MALFORMED, Code.TAIL_UNSIGNED} <= codes(report)


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"\xff\n", b'{"i":5,"leaf":{},"cert":"x"}\n', b'{"i":-5,"leaf":{}}\n']
)
def test_a_line_that_is_none(file: File, line: bytes) -> None:
    """A line that no export writes is a finding, and not a crash."""
    lines = file.lines()
    file.write([*lines[:5], line, *lines[6:]])
    assert Code.FILE_MALFORMED in codes(file.verify())


def test_a_leaf_that_is_not_canonical(tmp_path: Path) -> None:
    """Another encoding of the same content is refused: a leaf has one form."""
    ledger = Ledger.of(2)
    leaf, certificate = certificate_entry("device-2", at=2_000_000_000_000_000)
    ledger.append(leaf.replace(b",", b", ", 1), certificate)
    ledger.checkpoint()
    assert codes(File(tmp_path, ledger).verify()) == {Code.LEAF_MALFORMED}


def test_issuers_are_checked_where_they_are_given(file: File) -> None:
    """With chains, every certificate has to be signed by the issuer that its leaf names, and that issuer be known."""
    evidence = Evidence(keys=keys.read_keys(str(file.key)), issuers={"00" * 32: ISSUER.der})
    assert codes(verify_file(file.path, evidence)) == {Code.ISSUER_UNKNOWN}
    evidence = Evidence(keys=keys.read_keys(str(file.key)), issuers={leaf_issuer(): ROOT.der})
    assert codes(verify_file(file.path, evidence)) == {Code.LEAF_MISMATCH}


@pytest.mark.parametrize("reason", ["rotation", "key-lost"])
def test_a_new_key_goes_on_with_the_tree(tmp_path: Path, reason: str) -> None:
    """After a rotation or a lost key, checkpoints of both epochs hold over one tree."""
    ledger = Ledger.of(5)
    ledger.begin_epoch(reason)
    ledger.grow(5)
    ledger.checkpoint()
    file = File(tmp_path, ledger)
    file.keep(ledger.notes)
    report = file.verify()
    assert report.findings.kept == []
    assert (report.origin, report.checkpoints) == ("factory-7/2", 4)


def test_an_old_key_used_after_its_epoch(tmp_path: Path) -> None:
    """A checkpoint under the old key, beyond the end of its epoch, is a fork."""
    ledger = Ledger.of(5)
    old = ledger.fork()
    ledger.begin_epoch("rotation")
    ledger.grow(5)
    ledger.checkpoint()
    old.grow(3, "forged")
    file = File(tmp_path, ledger)
    file.keep([old.checkpoint()])
    assert codes(file.verify()) == {Code.FORKED}


def test_an_epoch_without_its_event(tmp_path: Path) -> None:
    """Two origins without a leaf that says how one followed the other are found."""
    ledger = Ledger.of(5)
    ledger.signers.append(ledger._signer(2))
    ledger.grow(1)
    ledger.checkpoint()
    file = File(tmp_path, ledger)
    file.keep(ledger.notes)
    assert codes(file.verify()) == {Code.EPOCH_UNANNOUNCED}


def test_an_epoch_that_lies_about_the_old_one(tmp_path: Path) -> None:
    """A rotation that hides a loss is found: it names leaves that are not there."""
    ledger = Ledger.of(9)
    cut = ledger.fork(5)
    cut.begin_epoch("rotation", old=ledger)
    assert codes(File(tmp_path, cut).verify()) == {Code.EPOCH_FALSE}
    forged = ledger.fork(8)
    forged.grow(1, "forged")
    forged.begin_epoch("rotation", old=ledger)
    assert codes(File(tmp_path, forged).verify()) == {Code.EPOCH_FALSE}


def test_a_restored_log_says_what_it_lost(tmp_path: Path) -> None:
    """A log that went on after a restore does not verify until the loss is accepted; then it is said."""
    ledger = Ledger.of(9)
    restored = ledger.fork(5)
    restored.begin_epoch("restored", old=ledger)
    restored.grow(9)
    restored.checkpoint()
    file = File(tmp_path, restored)
    file.keep([*ledger.notes, *restored.notes])
    report = file.verify()
    assert codes(report) == {Code.EPOCH_RESTORED}
    assert "leaves 5 to 8 are lost" in report.findings.kept[0].message
    report = file.verify(accept_epoch=2)
    assert report.findings.kept == []
    assert any("leaves 5 to 8 are lost" in note for note in report.notes)


@pytest.mark.parametrize("start", [0, 1, 5, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_chunks_add_up_to_the_tree(start: int) -> None:
    """Chunks, in this process and in others, give the roots of RFC 9162 from any start on and at any size."""
    entries = [LogEntry(number, b"%d" % number, b"") for number in range(12 * CHUNK_SIZE + 5)]
    hashes = [leaf_hash(entry.leaf) for entry in entries]
    ledger = Ledger(entries=entries[:start])
    sizes = sorted({*random.Random(start).sample(range(start + 1, len(entries)), 9), len(entries), 8 * CHUNK_SIZE})
    read = read_tree(entries[start:], start=ledger.frontier(start), sizes=sizes, issuers={})
    assert read.roots == {size: root_of(hashes[:size]) for size in sizes}
    assert read.frontier.root() == root_of(hashes)


@pytest.fixture(scope="module")
def long_log() -> Ledger:
    """A log of more than two chunks: events, and certificates around the seams."""
    ledger = Ledger()
    for seam in (CHUNK_SIZE, 2 * CHUNK_SIZE):
        while ledger.size < seam - 3:
            ledger.event("service_started")
        ledger.grow(6)
    ledger.checkpoint()
    return ledger


class Processes:
    """In the place of `ProcessPoolExecutor`: real processes, but one pool for all, since starting one takes longest."""

    def __init__(self, *given: Any) -> None:
        self._pool = ProcessPoolExecutor(*given)
        self.used = False

    def __call__(self, *_: Any) -> Self:
        """What would start a pool."""
        return self

    def __enter__(self) -> ProcessPoolExecutor:
        self.used = True
        return self._pool

    def __exit__(self, *_: object) -> None:
        """They go on."""

    def close(self) -> None:
        """End them."""
        self._pool.shutdown()


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Two processes with a checker each, as the verification starts them."""
    processes = Processes(2, get_context("spawn"), tree._start_process, ({leaf_issuer(): ISSUER.der},))
    yield processes
    processes.close()


def _deleted(lines: list[bytes]) -> list[bytes]:
    return lines[: CHUNK_SIZE + 1] + lines[CHUNK_SIZE + 2 :]


def _renumbered(lines: list[bytes]) -> list[bytes]:
    return renumbered(_deleted(lines))


def _altered(lines: list[bytes]) -> list[bytes]:
    return [*lines[:CHUNK_SIZE], changed(lines[CHUNK_SIZE], station="ict-08"), *lines[CHUNK_SIZE + 1 :]]


def _misnamed(lines: list[bytes]) -> list[bytes]:
    at = 2 * CHUNK_SIZE - 1
    return [*lines[:at], changed(lines[at], registration_id="device-x"), *lines[at + 1 :]]


def _swapped(lines: list[bytes]) -> list[bytes]:
    lines[CHUNK_SIZE - 1], lines[CHUNK_SIZE] = lines[CHUNK_SIZE], lines[CHUNK_SIZE - 1]
    return lines


def _torn(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], b"{}\n", *lines[6:]]


def _cut(lines: list[bytes]) -> list[bytes]:
    return [*lines[: CHUNK_SIZE + 2], lines[-1]]


def _all_wrong(lines: list[bytes]) -> list[bytes]:
    return [b"{}\n" for _ in lines[:-1]] + lines[-1:]


@pytest.mark.parametrize(
    "tamper", [None, _deleted, _renumbered, _altered, _misnamed, _swapped, _torn, _cut, _all_wrong]
)
def test_processes_find_what_one_finds(
    tmp_path: Path,
    long_log: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    processes: Processes,
    tamper: Callable[[list[bytes]], list[bytes]] | None,
) -> None:
    """The report over an honest log, and over one tampered with in each way, is the same with processes as without."""
    file = File(tmp_path, long_log)
    if tamper:
        file.write(tamper(file.lines()))
    assert len(file.lines()) <= tree._WITHOUT_PROCESSES * CHUNK_SIZE
    alone = file.verify(issuers=True)
    assert alone.verified is (tamper is None)
    monkeypatch.setattr(tree, "_WITHOUT_PROCESSES", 0)
    monkeypatch.setattr(tree, "ProcessPoolExecutor", processes)
    processes.used = False
    assert file.verify(issuers=True) == alone
    assert processes.used


def test_more_findings_than_anybody_reads(tmp_path: Path) -> None:
    """A log that is wrong everywhere is reported with a hundred findings and a count."""
    ledger = Ledger()
    for _ in range(150):
        ledger.append(b"{}")
    ledger.checkpoint()
    report = File(tmp_path, ledger).verify()
    assert len(report.findings.kept) == 100
    # One for each leaf, and none for the root, which is right.
    assert report.findings.more == 50


def run(file: File, *arguments: str, code: int) -> str:
    """`linecert verify --log` in a folder without a client, held to its exit code."""
    command = ["-C", str(file.path.parent), "verify", "--log", str(file.path), *arguments]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_command_says_verified(file: File, log: Ledger, tmp_path: Path) -> None:
    """The command takes log.pub from the folder, and checkpoints and chains from files."""
    file.keep(log.notes)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(ISSUER.pem + ROOT.pem)
    out = run(file, "--checkpoint", str(file.outside), "--issuer-chain", str(chain), code=0)
    assert "verified: factory-7/1, 20 leaves; leaves read: 20, certificates among them: 19" in out
    assert "their signatures: verified, checkpoints compared: 3" in out


def test_the_command_fails_with_8(file: File) -> None:
    """Something that does not hold is exit code 8, for people and for scripts."""
    lines = file.lines()
    file.write(lines[:5] + lines[6:])
    assert "leaves_missing: leaves 5 to 5 are missing" in run(file, code=8)
    report = json.loads(run(file, "--json", code=8))
    assert report["verified"] is False
    assert report["findings"][0] == {"code": "leaves_missing", "message": "leaves 5 to 5 are missing", "log_index": 5}


def test_a_key_as_text(file: File) -> None:
    """The verifier key can be given as text; a file that holds none is a fault of the setting."""
    run(file, "--key", file.key.read_text().strip(), code=0)
    run(file, "--key", str(file.path), code=4)
    file.key.unlink()
    run(file, code=4)


def test_a_certificate_in_the_file_is_base64_of_der(file: File) -> None:
    """The file's form is the documented one."""
    entry = json.loads(file.lines()[0])
    assert list(entry) == ["i", "leaf", "cert"]
    assert base64.b64decode(entry["cert"])[0] == 0x30
    assert list(json.loads(file.lines()[7])) == ["i", "leaf"]
    assert list(json.loads(file.lines()[-1])) == ["checkpoint"]
