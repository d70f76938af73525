"""The transparency log, as far as both sides need it: what a verifier needs that has no server to trust.

- `leaf`: what the log commits to about a certificate or an event, as bytes.
- `verification`: leaves read back, and compared with the certificate.
- `merkle`: the tree over the leaves and its proofs (RFC 9162).
- `notes`: the signed statement of the tree's size and root (C2SP signed-note, tlog-checkpoint).
- `canonical`: the JSON of leaves and hashes (RFC 8785).

A verifier goes this way: `open_checkpoint` with the log's key; `verify_inclusion` of `leaf_hash(leaf)` under its root;
`parse_leaf`; `check_leaf_against_certificate`. Between two checkpoints: `verify_consistency`.
"""

from linecert.transparency.canonical import CanonicalJsonError, canonical_json
from linecert.transparency.leaf import LEAF_VERSION, certificate_leaf, event_leaf
from linecert.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    ProofError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_at,
    root_of,
    subtrees_from,
    verify_consistency,
    verify_inclusion,
)
from linecert.transparency.notes import Checkpoint, NoteError, NoteSigner, VerifierKey, open_checkpoint
from linecert.transparency.verification import LeafError, check_leaf_against_certificate, parse_leaf

__all__ = [
    "EMPTY_ROOT",
    "LEAF_VERSION",
    "CanonicalJsonError",
    "Checkpoint",
    "Frontier",
    "LeafError",
    "Node",
    "NoteError",
    "NoteSigner",
    "ProofError",
    "VerifierKey",
    "canonical_json",
    "certificate_leaf",
    "check_leaf_against_certificate",
    "consistency_path",
    "event_leaf",
    "inclusion_path",
    "leaf_hash",
    "open_checkpoint",
    "parse_leaf",
    "root_at",
    "root_of",
    "subtrees_from",
    "verify_consistency",
    "verify_inclusion",
]
