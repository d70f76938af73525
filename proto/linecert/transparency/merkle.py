"""The Merkle tree of RFC 9162, section 2.1: append, roots, proofs and their verification.

A subtree is named by `(level, index)`: the complete tree over the 2**level leaves that begin at `index << level`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""

STORED_LEVELS: Final = (8, 16, 24)
"""The levels whose subtrees a store keeps: a proof then reads at most some hundred hashes of each."""

SubtreeHash = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree `(level, index)`."""


class ProofError(ValueError):
    """A proof does not show what it should, or is asked for what the tree does not hold."""


@dataclass(frozen=True, slots=True)
class Node:
    """The hash of a complete subtree."""

    level: int
    index: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with the content `data`."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above `left` and `right`."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that appending needs, a hash for each bit that is set in the size.

    Args:
        size: how many leaves the tree has.
        hashes: the roots of the complete subtrees that make it up, the largest (leftmost) first.

    Raises:
        ValueError: the hashes are not those of a tree of this size.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or any(len(item) != HASH_SIZE for item in hashes):
            raise ValueError(f"a frontier of {size} leaves needs a hash of {HASH_SIZE} octets for each bit set in it")
        self._size = size
        self._hashes = list(hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Self:
        """The frontier of `size` leaves that `to_bytes` wrote.

        Raises:
            ValueError: `data` is not of this size.
        """
        return cls(size, [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)])

    def to_bytes(self) -> bytes:
        """The hashes, one after the other; the size is kept beside them."""
        return b"".join(self._hashes)

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def append(self, leaf: bytes) -> Sequence[Node]:
        """Add a leaf by its hash, and return the subtrees of STORED_LEVELS that it completed."""
        completed: list[Node] = []
        current, level, position = leaf, 0, self._size
        while position & 1:
            current = node_hash(self._hashes.pop(), current)
            level += 1
            position >>= 1
            if level in STORED_LEVELS:
                completed.append(Node(level, position, current))
        self._hashes.append(current)
        self._size += 1
        return completed

    def extend(self, leaves: Iterable[bytes]) -> list[Node]:
        """Add leaves by their hashes, and return the subtrees of STORED_LEVELS that they completed."""
        return [node for leaf in leaves for node in self.append(leaf)]

    def root(self) -> bytes:
        """The root of the tree as it is."""
        return _fold(self._hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of the tree over leaves given by their hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def subtrees_from(read: Callable[[int, int, int], Iterable[bytes]]) -> SubtreeHash:
    """The subtrees of a log that keeps its leaf hashes and its subtrees of STORED_LEVELS.

    Args:
        read: `read(level, start, stop)` gives the hashes `(level, start)` to `(level, stop - 1)` in this order; it is
            asked for level 0, the leaves, and for STORED_LEVELS only.
    """

    def subtree(level: int, index: int) -> bytes:
        base = max(stored for stored in (0, *STORED_LEVELS) if stored <= level)
        width = level - base
        return root_of(read(base, index << width, (index + 1) << width))

    return subtree


def root_at(size: int, subtree: SubtreeHash) -> bytes:
    """The root over the first `size` leaves of a log, from its subtrees."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, subtree: SubtreeHash) -> list[bytes]:
    """The proof that leaf `index` is in the tree of `size` leaves (RFC 9162, section 2.1.3.1).

    Raises:
        ProofError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    path.reverse()
    return path


def consistency_path(size1: int, size2: int, subtree: SubtreeHash) -> list[bytes]:
    """The proof that the tree of `size1` leaves is the beginning of that of `size2` (RFC 9162, section 2.1.4.1).

    Empty when the sizes are equal, or `size1` is 0: there is nothing to show.

    Raises:
        ProofError: the sizes are out of order.
    """
    if not 0 <= size1 <= size2:
        raise ProofError(f"no consistency proof leads from {size1} to {size2} leaves")
    path: list[bytes] = []
    start, end = 0, size2
    while start < size1 < end:
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    # What remains is the old tree's last subtree. Where it is the whole old tree, the verifier knows it as root1.
    if start:
        path.append(_range_root(start, end, subtree))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Verify that the leaf with this hash is leaf `index` of the tree (RFC 9162, section 2.1.3.2).

    Raises:
        ProofError: the proof does not show it.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    inner, border = _path_length(index, size)
    _check_path(path, inner + border)
    current = leaf
    for level, sibling in enumerate(path[:inner]):
        current = node_hash(sibling, current) if index >> level & 1 else node_hash(current, sibling)
    if _along_border(current, path[inner:]) != root:
        raise ProofError(f"the inclusion proof of leaf {index} does not lead to the root of {size} leaves")


def verify_consistency(size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]) -> None:
    """Verify that the tree `root1` is the beginning of the tree `root2` (RFC 9162, section 2.1.4.2).

    Raises:
        ProofError: the proof does not show it.
    """
    if not 0 <= size1 <= size2:
        raise ProofError(f"no consistency proof leads from {size1} to {size2} leaves")
    if size1 in (0, size2):
        _verify_trivial_consistency(size1, root1, size2, root2, path)
        return
    # The path climbs from the last complete subtree of the old tree. Where that is all of the old tree, its hash is
    # root1, and is left out.
    level = (size1 & -size1).bit_length() - 1
    whole = size1 == 1 << level
    inner, border = _path_length(size1 - 1, size2)
    inner -= level
    _check_path(path, inner + border if whole else 1 + inner + border)
    seed, rest = (root1, path) if whole else (path[0], path[1:])
    old = new = seed
    for height, sibling in enumerate(rest[:inner], level):
        if (size1 - 1) >> height & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    if _along_border(old, rest[inner:]) != root1:
        raise ProofError(f"the consistency proof does not lead to the root of {size1} leaves")
    if _along_border(new, rest[inner:]) != root2:
        raise ProofError(f"the consistency proof does not lead to the root of {size2} leaves")


def _verify_trivial_consistency(size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]) -> None:
    """Equal sizes need equal roots, and every tree begins with the empty one; neither takes a proof."""
    if path:
        raise ProofError(f"the consistency proof from {size1} to {size2} leaves has to be empty")
    if size1 == size2 and root1 != root2:
        raise ProofError(f"two roots for one tree of {size1} leaves")
    if size1 == 0 and root1 != EMPTY_ROOT:
        raise ProofError("the root of no leaves is not that of the empty tree")


def _path_length(index: int, size: int) -> tuple[int, int]:
    """How many steps lead from a leaf up to the right edge of the tree, and how many siblings the edge has above."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _along_border(current: bytes, siblings: Iterable[bytes]) -> bytes:
    """Up the right edge, where every sibling is on the left."""
    for sibling in siblings:
        current = node_hash(sibling, current)
    return current


def _check_path(path: Sequence[bytes], length: int) -> None:
    if len(path) != length:
        raise ProofError(f"the proof has {len(path)} hashes where {length} are needed")
    if any(len(item) != HASH_SIZE for item in path):
        raise ProofError(f"the proof has a hash that is not of {HASH_SIZE} octets")


def _split(count: int) -> int:
    """The largest power of two smaller than `count`: where RFC 9162 splits a tree of more than one leaf."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, subtree: SubtreeHash) -> bytes:
    """The root over the leaves `start` to `end - 1`, a range that the recursion of RFC 9162 can reach."""
    hashes: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(subtree(level, start >> level))
        start += 1 << level
    return _fold(hashes)


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root above complete subtrees of falling size."""
    if not hashes:
        return EMPTY_ROOT
    *left, root = hashes
    for item in reversed(left):
        root = node_hash(item, root)
    return root
