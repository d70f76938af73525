"""What a verification found: nothing, or what is wrong with the log and where."""

import enum
from dataclasses import dataclass, field
from typing import Final

_KEPT: Final = 100


class Code(enum.StrEnum):
    """What can be wrong with a log, for scripts."""

    FILE_MALFORMED = enum.auto()
    """A line of the file is none that an export writes."""
    LEAF_MALFORMED = enum.auto()
    """A leaf has not the form of its type."""
    LEAF_MISMATCH = enum.auto()
    """A leaf says something else than its certificate, or the certificate is missing."""
    ISSUER_UNKNOWN = enum.auto()
    """A leaf names an issuer whose certificate was not given."""
    LEAVES_MISSING = enum.auto()
    """Leaves are left out: their numbers are not there."""
    LEAF_OUT_OF_PLACE = enum.auto()
    """A leaf has a number that was there before."""
    TIME_RAN_BACK = enum.auto()
    """A leaf has an earlier time than the one before."""
    CHECKPOINT_NOT_GENUINE = enum.auto()
    """A checkpoint is not signed by a key that the auditor has, or names another log than the key."""
    ROOT_MISMATCH = enum.auto()
    """The leaves do not add up to the root of a signed checkpoint."""
    TAIL_MISSING = enum.auto()
    """A signed checkpoint covers more leaves than there are."""
    TAIL_UNSIGNED = enum.auto()
    """No checkpoint covers the last leaves."""
    FORKED = enum.auto()
    """Two signed checkpoints contradict each other: somebody who has the key signed two histories."""
    WENT_BACK = enum.auto()
    """The log is smaller than it was."""
    INCONSISTENT = enum.auto()
    """The log of today does not begin with the log that was seen before."""
    NOT_INCLUDED = enum.auto()
    """The service cannot prove that a certificate is in the log."""
    OTHER_LOG = enum.auto()
    """This is not the log that was seen before."""
    EPOCH_UNANNOUNCED = enum.auto()
    """The log has a new epoch, and no leaf says how it came about."""
    EPOCH_FALSE = enum.auto()
    """What the log says about the end of an epoch is not so."""
    EPOCH_RESTORED = enum.auto()
    """The log was restored from a backup: what came after it is lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        message: what and where; it holds no text that was not verified.
        log_index: of the leaf, where there is one.
    """

    code: Code
    message: str
    log_index: int | None = None


@dataclass(slots=True)
class Findings:
    """Findings in their order; a log that is wrong in every leaf does not fill the memory.

    Attributes:
        kept: the first hundred.
        more: how many there were beyond.
    """

    kept: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, finding: Finding) -> None:
        """Note one."""
        if len(self.kept) < _KEPT:
            self.kept.append(finding)
        else:
            self.more += 1

    def extend(self, other: "Findings") -> None:
        """Note those of another part of the log."""
        for finding in other.kept:
            self.add(finding)
        self.more += other.more


@dataclass(slots=True)
class Report:
    """What a verification covered and found.

    Attributes:
        origin: of the newest checkpoint.
        size: of the newest checkpoint.
        root: its root, hex.
        leaves: how many leaves were read.
        certificates: how many of them are about certificates.
        checkpoints: how many signed checkpoints were compared.
        issuers_checked: whether the signatures of the certificates were verified.
        findings: none when everything holds.
        notes: what the reader should know beside.
    """

    origin: str = ""
    size: int = 0
    root: str = ""
    leaves: int = 0
    certificates: int = 0
    checkpoints: int = 0
    issuers_checked: bool = False
    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        """Whether nothing was found."""
        return not self.findings.kept

    def add(self, code: Code, message: str, log_index: int | None = None) -> None:
        """Note one finding."""
        self.findings.add(Finding(code, message, log_index))

    def note(self, text: str) -> None:
        """Note what the reader should know beside, once."""
        if text not in self.notes:
            self.notes.append(text)
