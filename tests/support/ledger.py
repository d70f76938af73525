"""A real transparency log in memory: signed certificates, leaves, tree, checkpoints, epochs."""

import copy
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linecert.transparency import (
    Frontier,
    NoteSigner,
    canonical_json,
    certificate_leaf,
    event_leaf,
    leaf_hash,
    root_of,
)
from linecert_client.audit import log_file
from linecert_client.log_results import LogEntry
from support.client_pki import Identity, sign

_START = int(datetime(2026, 1, 31, 6, tzinfo=UTC).timestamp()) * 1_000_000
_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
_SPKI = _KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_SERIAL_BITS = 160
ROOT = Identity.authority("root")
ISSUER = Identity.authority("issuer", ROOT)


@dataclass
class Ledger:
    """A log that can be forked, cut and gone on with under another key.

    Attributes:
        name: of the log, without the epoch.
        entries: its leaves.
        signers: of its epochs, the first one first.
        notes: every checkpoint that was signed.
    """

    name: str = "factory-7"
    entries: list[LogEntry] = field(default_factory=list)
    signers: list[NoteSigner] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.signers:
            self.signers.append(self._signer(1))

    @classmethod
    def of(cls, count: int) -> Self:
        """A log of so many certificates, under a checkpoint."""
        ledger = cls()
        ledger.grow(count)
        ledger.checkpoint()
        return ledger

    @property
    def size(self) -> int:
        """How many leaves."""
        return len(self.entries)

    @property
    def origin(self) -> str:
        """Of the current epoch."""
        return self.signers[-1].verifier_key.name

    def key_lines(self) -> str:
        """The verifier keys as `log.pub` holds them, the current one first."""
        return "".join(f"{signer.verifier_key}\n" for signer in reversed(self.signers))

    def grow(self, count: int, prefix: str = "device") -> None:
        """Issue so many more certificates."""
        for number in range(self.size, self.size + count):
            self.append(*certificate_entry(f"{prefix}-{number}", at=_START + number))

    def append(self, leaf: bytes, certificate: bytes = b"") -> None:
        """Add a leaf."""
        self.entries.append(LogEntry(self.size, leaf, certificate))

    def event(self, kind: str, detail: dict[str, str] | None = None) -> None:
        """Add an event."""
        self.append(
            event_leaf(
                kind=kind,
                at=_START + self.size,
                serial=None,
                registration_key=None,
                station=None,
                actor=None,
                reason=None,
                detail=canonical_json(detail).decode() if detail else None,
            )
        )

    def root(self, size: int | None = None) -> bytes:
        """Over the first leaves; over all without a size."""
        return root_of(leaf_hash(entry.leaf) for entry in self.entries[:size])

    def frontier(self, size: int) -> Frontier:
        """Of the first leaves."""
        frontier = Frontier()
        frontier.extend(leaf_hash(entry.leaf) for entry in self.entries[:size])
        return frontier

    def checkpoint(self) -> str:
        """Sign what is there."""
        note = self.signers[-1].sign_checkpoint(self.origin, self.size, self.root())
        self.notes.append(note)
        return note

    def fork(self, size: int | None = None) -> "Ledger":
        """The same log with the same keys, as it was at a size: a backup, or a thief's copy."""
        other = copy.copy(self)
        other.entries, other.signers, other.notes = self.entries[:size], list(self.signers), []
        return other

    def begin_epoch(self, reason: str, old: "Ledger | None" = None) -> None:
        """Go on with another key; `old` is the log as it was before it was restored."""
        before = old or self
        detail = {
            "old_origin": before.origin,
            "old_size": str(before.size),
            "old_root": before.root().hex(),
            "reason": reason,
        }
        self.event("epoch_started", detail)
        self.signers.append(self._signer(int(before.origin.rpartition("/")[2]) + 1))
        self.checkpoint()

    def lines(self) -> list[bytes]:
        """The exported file's lines."""
        return [*(log_file.write_entry(entry) for entry in self.entries), log_file.write_checkpoint(self.notes[-1])]

    def _signer(self, epoch: int) -> NoteSigner:
        return NoteSigner(f"{self.name}/{epoch}", Ed25519PrivateKey.generate())


def certificate_entry(
    registration_id: str, *, at: int = _START, stated_id: str | None = None, **fields: str | None
) -> tuple[bytes, bytes]:
    """A leaf and its certificate; `stated_id` is another ID for the leaf to claim, `fields` are its texts."""
    certificate = sign(_KEY, registration_id, ISSUER)
    while certificate.serial_number.bit_length() <= _SERIAL_BITS - 4:
        certificate = sign(_KEY, registration_id, ISSUER)  # 20 octets that begin with 1 to 7, as the service's do
    der = certificate.public_bytes(Encoding.DER)
    texts: dict[str, str | None] = {
        "replacement_reason": None,
        "station": "ict-07",
        "line": "smt-2",
        "request_id": "2f0d6c3e-9b0e-4a8f-8f3d-0123456789ab",
        "work_order": "WO-1",
        "lot": None,
        "profile": "device",
        "attributes": '{"board":"B1"}',
    }
    leaf = certificate_leaf(
        serial=certificate.serial_number.to_bytes(20, "big"),
        registration_id=stated_id or registration_id,
        generation=1,
        replaces=None,
        request_sha256=bytes(32),
        issuer_sha256=hashlib.sha256(ISSUER.der).digest(),
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
        issued_at=at,
        csr_sha256=bytes(32),
        spki_sha256=hashlib.sha256(_SPKI).digest(),
        certificate_sha256=hashlib.sha256(der).digest(),
        **(texts | fields),  # type: ignore[arg-type]  # the texts that are required are there
    )
    return leaf, der
