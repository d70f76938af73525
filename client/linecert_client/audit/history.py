"""The checkpoints that an auditor holds against a log, and what they say about each other and about its leaves."""

from collections.abc import Iterable, Mapping, Sequence

from linecert.transparency import Checkpoint, VerifierKey
from linecert_client.audit.epochs import EpochStart, Origin
from linecert_client.audit.findings import Code, Report
from linecert_client.audit.keys import open_genuine


class History:
    """Signed checkpoints of one log, of all its epochs.

    Args:
        keys: of the log.
        report: takes what is found.
    """

    def __init__(self, keys: Sequence[VerifierKey], report: Report) -> None:
        self._keys = keys
        self._report = report
        self._roots: dict[Origin, dict[int, bytes]] = {}

    def add(self, note: str, where: str) -> Checkpoint | None:
        """Take a checkpoint; None where it is not genuine, which is a finding.

        Args:
            note: the signed note.
            where: it comes from, for the finding.
        """
        try:
            checkpoint = open_genuine(note, self._keys)
            origin = Origin.parse(checkpoint.origin)
        except ValueError as error:
            self._report.add(Code.CHECKPOINT_NOT_GENUINE, f"{where}: {error}")
            return None
        self._report.checkpoints += 1
        roots = self._roots.setdefault(origin, {})
        if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            self._report.add(
                Code.FORKED,
                f"{where}: {origin} signed two different logs of {checkpoint.size} leaves: its key was used for both",
            )
        return checkpoint

    def sizes(self) -> set[int]:
        """Of all trees that were signed."""
        return {size for roots in self._roots.values() for size in roots}

    def largest(self) -> int:
        """How many leaves the current epoch has signed."""
        return max(self._roots[max(self._roots, key=lambda origin: origin.epoch)]) if self._roots else 0

    def compare(self, size: int, roots: Mapping[int, bytes], epochs: Sequence[EpochStart], accepted: int) -> None:
        """Hold every checkpoint against the leaves.

        Args:
            size: how many leaves there are.
            roots: computed from them, by size.
            epochs: that began in them.
            accepted: the newest epoch up to which the auditor accepts that logs were restored.
        """
        if len({origin.name for origin in self._roots}) > 1:
            self._report.add(Code.OTHER_LOG, "the checkpoints are of logs with different names")
        check_epochs(epochs, roots, self._report, accepted)
        ordered = sorted(self._roots, key=lambda origin: origin.epoch)
        for origin in ordered:
            # A restored backup can be older than the beginning of the epoch that was lost with it.
            successor = next((start for start in epochs if start.old_origin.epoch >= origin.epoch), None)
            if successor is None and origin != ordered[-1]:
                self._report.add(Code.EPOCH_UNANNOUNCED, f"no leaf says that {origin} ended, but {ordered[-1]} signs")
            self._compare_epoch(origin, size, roots, successor)

    def _compare_epoch(
        self, origin: Origin, size: int, roots: Mapping[int, bytes], successor: EpochStart | None
    ) -> None:
        matched = 0
        for signed, root in sorted(self._roots[origin].items()):
            if successor and signed > successor.log_index:
                self._beyond(origin, signed, successor)
            elif signed > size:
                self._report.add(
                    Code.TAIL_MISSING, f"a checkpoint of {origin} covers {signed} leaves, but there are only {size}"
                )
                return
            elif roots.get(signed) != root:
                self._report.add(
                    Code.ROOT_MISMATCH,
                    f"the first {signed} leaves are not those that {origin} signed: something before leaf {signed} "
                    f"was changed, left out or moved{f', and not before leaf {matched}' if matched else ''}",
                )
                return
            else:
                matched = signed

    def _beyond(self, origin: Origin, signed: int, successor: EpochStart) -> None:
        if successor.goes_on:
            self._report.add(
                Code.FORKED,
                f"{origin} signed {signed} leaves, but epoch {successor.epoch} began after {successor.log_index}: the "
                "old key was used beyond its epoch",
            )
        else:
            self._report.note(f"a checkpoint of {origin} over {signed} leaves belongs to what the restored log lost")


def check_epochs(epochs: Iterable[EpochStart], roots: Mapping[int, bytes], report: Report, accepted: int) -> None:
    """Whether the epochs of a log follow from each other, and what is lost by them.

    Args:
        epochs: in the order of the log.
        roots: computed from the leaves, by size; at least those that the epochs began with.
        report: takes what is found.
        accepted: the newest epoch up to which the auditor accepts that logs were restored.
    """
    before: EpochStart | None = None
    for start in epochs:
        if before and not before.precedes(start):
            report.add(
                Code.EPOCH_FALSE,
                f"leaf {start.log_index} says that {start.old_origin} ended, but epoch {before.epoch} was under way",
                start.log_index,
            )
        before = start
        if start.goes_on:
            _check_end(start, roots, report)
        elif start.epoch <= accepted:
            report.note(f"accepted: {start.loss()}")
        else:
            report.add(
                Code.EPOCH_RESTORED,
                f"{start.loss()}; when the operator has explained it, give --accept-epoch {start.epoch}",
                start.log_index,
            )


def _check_end(start: EpochStart, roots: Mapping[int, bytes], report: Report) -> None:
    """Whether the old epoch ended where the new one began."""
    if start.old_size != start.log_index or roots.get(start.log_index, start.old_root) != start.old_root:
        report.add(
            Code.EPOCH_FALSE,
            f"leaf {start.log_index} says that {start.old_origin} ended with {start.old_size} leaves and that the log "
            "went on, but those are not the leaves before it",
            start.log_index,
        )
