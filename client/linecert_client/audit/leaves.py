"""The leaves of a chunk of the log: each against its certificate, all of them in order, and the tree over them.

A chunk is a run of leaves that fills a subtree of CHUNK_LEVEL, or the part of one that a log begins or ends with. It
is checked without knowing the others, in a process of its own.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from linecert.transparency import Frontier, LeafError, check_leaf_against_certificate, leaf_hash, parse_leaf
from linecert_client.audit import quick
from linecert_client.audit.epochs import EPOCH_STARTED, EpochStart
from linecert_client.audit.findings import Code, Finding, Findings
from linecert_client.audit.log_file import LogFileError, read_entry
from linecert_client.log_results import LogEntry

CHUNK_LEVEL: Final = 11
CHUNK_SIZE: Final = 1 << CHUNK_LEVEL

_CERTIFICATE: Final = "certificate/1"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one process is given.

    Attributes:
        start: position of the first leaf in the log.
        frontier: of the leaves of this chunk before `start`, as `Frontier.to_bytes` gives it.
        entries: the leaves, as read from the service or as lines of a file.
        sizes: of the trees whose roots are asked for, all within this chunk and rising.
    """

    start: int
    frontier: bytes
    entries: Sequence[LogEntry | bytes]
    sizes: Sequence[int]


@dataclass(slots=True)
class Checked:
    """What comes back.

    Attributes:
        frontier: of the chunk's leaves, those before `start` included.
        roots: by the size asked for, or at which an epoch began, the root over the chunk's leaves alone; empty where
            that takes none of them.
        first: number of the first leaf, as its entry states it.
        last: of the last.
        first_time: of the first leaf, RFC 3339.
        last_time: of the last.
        epochs: the epochs that began here.
    """

    start: int
    count: int
    frontier: bytes = b""
    roots: dict[int, bytes] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    first_time: str = ""
    last_time: str = ""
    certificates: int = 0
    epochs: list[EpochStart] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


class ChunkChecker:
    """Checks chunks.

    Args:
        issuers: DER of issuers by the hex SHA-256 of it; where it is empty, signatures are not verified.
    """

    def __init__(self, issuers: Mapping[str, bytes]) -> None:
        self._issuers = issuers
        self._loaded: dict[str, x509.Certificate] = {}

    def check(self, chunk: Chunk) -> Checked:
        """Check one chunk."""
        checked = Checked(chunk.start, len(chunk.entries))
        before = chunk.start % CHUNK_SIZE
        frontier = Frontier.from_bytes(before, chunk.frontier)
        wanted = iter([*chunk.sizes, None])
        size = next(wanted)
        for position, entry in enumerate(_entries(chunk, checked), chunk.start):
            epochs = len(checked.epochs)
            self._check(entry, checked)
            if len(checked.epochs) > epochs:
                # What the epoch says of the tree before it will be compared.
                checked.roots[position] = frontier.root() if frontier.size else b""
            frontier.append(leaf_hash(entry.leaf))
            if size == position + 1:
                checked.roots[size] = frontier.root()
                size = next(wanted)
        checked.frontier = frontier.to_bytes()
        return checked

    def _check(self, entry: LogEntry, checked: Checked) -> None:
        expected = checked.first if checked.last is None else checked.last + 1
        if expected is None:
            checked.first = entry.log_index
        elif entry.log_index != expected:
            checked.findings.add(out_of_order(expected, entry.log_index))
        checked.last = entry.log_index
        try:
            self._check_leaf(entry, checked)
        except LeafError as error:
            code = Code.LEAF_MALFORMED if _is_malformed(entry.leaf) else Code.LEAF_MISMATCH
            checked.findings.add(Finding(code, f"leaf {entry.log_index}: {error}", entry.log_index))

    def _check_leaf(self, entry: LogEntry, checked: Checked) -> None:
        plain = quick.agrees(entry.leaf, entry.certificate)
        if plain:
            time, issuer = plain
        else:
            leaf = parse_leaf(entry.leaf)
            if leaf["type"] != _CERTIFICATE:
                self._check_event(entry, leaf, checked)
                return
            if not entry.certificate:
                raise LeafError("the certificate is missing")
            check_leaf_against_certificate(leaf, entry.certificate)
            time, issuer = leaf["issue_time"], leaf["issuer_certificate_sha256"]
        checked.certificates += 1
        self._note_time(entry, time, checked)
        if self._issuers:
            self._check_issuer(entry, issuer, checked)

    def _check_event(self, entry: LogEntry, leaf: Mapping[str, Any], checked: Checked) -> None:
        if entry.certificate:
            raise LeafError("a certificate stands beside an event")
        self._note_time(entry, leaf["time"], checked)
        if leaf["kind"] == EPOCH_STARTED:
            checked.epochs.append(EpochStart.read(entry.log_index, leaf.get("detail")))

    def _note_time(self, entry: LogEntry, time: str, checked: Checked) -> None:
        # RFC 3339 times of one form compare as texts.
        if time < checked.last_time:
            checked.findings.add(ran_back(entry.log_index))
        checked.first_time = checked.first_time or time
        checked.last_time = time

    def _check_issuer(self, entry: LogEntry, digest: str, checked: Checked) -> None:
        issuer = self._loaded.get(digest)
        if issuer is None:
            der = self._issuers.get(digest)
            if der is None:
                message = f"leaf {entry.log_index}: its issuer {digest} is not among the chains given"
                checked.findings.add(Finding(Code.ISSUER_UNKNOWN, message, entry.log_index))
                return
            issuer = self._loaded[digest] = x509.load_der_x509_certificate(der)
        verify_issued_by(entry.certificate, issuer)


def verify_issued_by(certificate: bytes, issuer: x509.Certificate) -> None:
    """Verify the signature of a certificate.

    Raises:
        LeafError: it is not by this issuer.
    """
    try:
        x509.load_der_x509_certificate(certificate).verify_directly_issued_by(issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise LeafError("the certificate is not signed by the issuer that the leaf names") from error


def out_of_order(expected: int, found: int) -> Finding:
    """The finding that another leaf stands where `expected` should."""
    if found > expected:
        return Finding(Code.LEAVES_MISSING, f"leaves {expected} to {found - 1} are missing", expected)
    return Finding(Code.LEAF_OUT_OF_PLACE, f"leaf {found} stands where leaf {expected} should", found)


def ran_back(log_index: int) -> Finding:
    """The finding that a leaf is older than the one before it."""
    return Finding(Code.TIME_RAN_BACK, f"leaf {log_index} has an earlier time than the one before it", log_index)


def chunks_of(start: int, entries: Iterable[LogEntry | bytes]) -> Iterator[tuple[int, list[LogEntry | bytes]]]:
    """Cut entries that begin at `start` where subtrees of CHUNK_LEVEL end."""
    remaining = iter(entries)
    while chunk := list(itertools.islice(remaining, CHUNK_SIZE - start % CHUNK_SIZE)):
        yield start, chunk
        start += len(chunk)


def _entries(chunk: Chunk, checked: Checked) -> Iterator[LogEntry]:
    for position, entry in enumerate(chunk.entries, chunk.start):
        if isinstance(entry, LogEntry):
            yield entry
            continue
        try:
            yield read_entry(entry)
        except LogFileError as error:
            checked.findings.add(Finding(Code.FILE_MALFORMED, f"line {position + 1}: {error}"))
            # The position stays taken, so that the lines after it are still compared.
            yield LogEntry((chunk.start if checked.last is None else checked.last + 1), b"", b"")


def _is_malformed(leaf: bytes) -> bool:
    try:
        parse_leaf(leaf)
    except LeafError:
        return True
    return False
