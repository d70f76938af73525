"""The Merkle tree against the Certificate Transparency vectors and a naive reading of RFC 9162."""

import hashlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert.transparency.merkle import (
    EMPTY_ROOT,
    STORED_LEVELS,
    Frontier,
    Node,
    ProofError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_at,
    root_of,
    subtrees_from,
    verify_consistency,
    verify_inclusion,
)

# The reference data of google/certificate-transparency (cpp/merkletree/merkle_tree_test.cc), RFC 6962.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
CT_INCLUSION = [  # leaf, size, path
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CT_CONSISTENCY = [  # old size, new size, path
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

CT_HASHES = [leaf_hash(leaf) for leaf in CT_LEAVES]

sizes = st.integers(1, 200)


def numbered(count: int) -> list[bytes]:
    """The hashes of `count` different leaves."""
    return [leaf_hash(str(index).encode()) for index in range(count)]


def subtrees_of(leaves: Sequence[bytes]) -> Callable[[int, int], bytes]:
    """Subtrees over leaf hashes in memory, as the definition has them."""
    return lambda level, index: naive_root(leaves[index << level : (index + 1) << level])


def naive_split(count: int) -> int:
    """RFC 9162, section 2.1.1: the largest power of two smaller than `count`."""
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word, over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = naive_split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1, word for word."""
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    if index < split:
        return [*naive_inclusion(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_inclusion(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_consistency(size: int, leaves: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162, section 2.1.4.1, word for word."""
    if size == len(leaves):
        return [] if known else [naive_root(leaves)]
    split = naive_split(len(leaves))
    if size <= split:
        return [*naive_consistency(size, leaves[:split], known=known), naive_root(leaves[split:])]
    return [*naive_consistency(size - split, leaves[split:], known=False), naive_root(leaves[:split])]


@pytest.mark.parametrize("size", range(9))
def test_ct_roots(size: int) -> None:
    """Appending gives the roots of the CT reference data."""
    assert root_of(CT_HASHES[:size]) == CT_ROOTS[size]


@pytest.mark.parametrize("index, size, path", CT_INCLUSION)
def test_ct_inclusion(index: int, size: int, path: list[str]) -> None:
    """Inclusion proofs are those of the CT reference data, and verify."""
    expected = [bytes.fromhex(item) for item in path]
    assert inclusion_path(index, size, subtrees_of(CT_HASHES)) == expected
    verify_inclusion(CT_HASHES[index], index, size, expected, CT_ROOTS[size])


@pytest.mark.parametrize("size1, size2, path", CT_CONSISTENCY)
def test_ct_consistency(size1: int, size2: int, path: list[str]) -> None:
    """Consistency proofs are those of the CT reference data, and verify."""
    expected = [bytes.fromhex(item) for item in path]
    assert consistency_path(size1, size2, subtrees_of(CT_HASHES)) == expected
    verify_consistency(size1, CT_ROOTS[size1], size2, CT_ROOTS[size2], expected)


def test_hash_domains_are_separate() -> None:
    """A leaf with the content of a node does not hash like that node (RFC 9162, section 2.1.1)."""
    left, right = CT_HASHES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


@given(sizes, st.data())
def test_root_is_that_of_the_definition(size: int, data: st.DataObject) -> None:
    """Appending leaf by leaf gives the recursively defined root, and so do the subtrees of a log that is longer."""
    assert root_of(numbered(size)) == naive_root(numbered(size))
    shorter = data.draw(st.integers(0, size))
    assert root_at(shorter, subtrees_of(numbered(size))) == naive_root(numbered(shorter))


@given(sizes, st.data())
def test_inclusion_is_that_of_the_definition(size: int, data: st.DataObject) -> None:
    """Every inclusion proof is the recursively defined one, and verifies."""
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, subtrees_of(leaves))
    assert path == naive_inclusion(index, leaves)
    verify_inclusion(leaves[index], index, size, path, naive_root(leaves))


@given(sizes, st.data())
def test_consistency_is_that_of_the_definition(size2: int, data: st.DataObject) -> None:
    """Every consistency proof is the recursively defined one, and verifies."""
    leaves = numbered(size2)
    size1 = data.draw(st.integers(1, size2))
    path = consistency_path(size1, size2, subtrees_of(leaves))
    assert path == naive_consistency(size1, leaves)
    verify_consistency(size1, naive_root(leaves[:size1]), size2, naive_root(leaves), path)


@given(sizes, st.data())
def test_inclusion_proof_of_anything_else_is_refused(size: int, data: st.DataObject) -> None:
    """A proof with another leaf, index, root, length or any changed hash does not verify."""
    leaves = numbered(size)
    root = naive_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = naive_inclusion(index, leaves)
    other = leaf_hash(b"other")
    forgeries = [
        (other, index, path, root),
        (leaves[index], index, path, other),
        (leaves[index], index, [*path, other], root),
        (leaves[index], size, path, root),
        (leaves[index], -1, path, root),
        *((leaves[index], wrong, path, root) for wrong in range(size) if wrong != index),
        *((leaves[index], index, [*path[:at], other, *path[at + 1 :]], root) for at in range(len(path))),
        *((leaves[index], index, [*path[:at], *path[at + 1 :]], root) for at in range(len(path))),
        *((leaves[index], index, [*path[:at], path[at][1:], *path[at + 1 :]], root) for at in range(len(path))),
    ]
    for leaf, position, forged, claimed in forgeries:
        with pytest.raises(ProofError):
            verify_inclusion(leaf, position, size, forged, claimed)


@given(sizes, st.data())
def test_consistency_proof_of_anything_else_is_refused(size2: int, data: st.DataObject) -> None:
    """A proof with another root, length or any changed hash does not verify."""
    leaves = numbered(size2)
    size1 = data.draw(st.integers(1, size2))
    root1, root2 = naive_root(leaves[:size1]), naive_root(leaves)
    path = naive_consistency(size1, leaves)
    other = leaf_hash(b"other")
    forgeries = [
        (other, root2, path),
        (root1, other, path),
        (root1, root2, [*path, other]),
        *((root1, root2, [*path[:at], other, *path[at + 1 :]]) for at in range(len(path))),
        *((root1, root2, [*path[:at], *path[at + 1 :]]) for at in range(len(path))),
        *((root1, root2, [*path[:at], path[at][1:], *path[at + 1 :]]) for at in range(len(path))),
    ]
    for old, new, forged in forgeries:
        with pytest.raises(ProofError):
            verify_consistency(size1, old, size2, new, forged)


def test_every_tree_begins_with_the_empty_one() -> None:
    """From the empty tree no proof is needed, and only its own root is accepted."""
    assert consistency_path(0, 8, subtrees_of(CT_HASHES)) == []
    verify_consistency(0, EMPTY_ROOT, 8, CT_ROOTS[8], [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    with pytest.raises(ProofError, match="not that of the empty tree"):
        verify_consistency(0, CT_ROOTS[1], 8, CT_ROOTS[8], [])
    with pytest.raises(ProofError, match="has to be empty"):
        verify_consistency(0, EMPTY_ROOT, 8, CT_ROOTS[8], [CT_ROOTS[8]])


def test_two_trees_of_one_size_are_noticed() -> None:
    """A log that shows two roots for the same size is caught."""
    with pytest.raises(ProofError, match="two roots for one tree of 8 leaves"):
        verify_consistency(8, CT_ROOTS[7], 8, CT_ROOTS[8], [])


def test_a_log_that_went_back_is_noticed() -> None:
    """There is no proof from a larger tree to a smaller one."""
    with pytest.raises(ProofError, match="from 8 to 7 leaves"):
        verify_consistency(8, CT_ROOTS[8], 7, CT_ROOTS[7], [])
    with pytest.raises(ProofError, match="from 8 to 7 leaves"):
        consistency_path(8, 7, subtrees_of(CT_HASHES))


def test_no_path_to_a_leaf_that_is_not_there() -> None:
    """A proof of the leaf after the last one is refused, not made up."""
    with pytest.raises(ProofError, match="a tree of 8 leaves has no leaf 8"):
        inclusion_path(8, 8, subtrees_of(CT_HASHES))


@given(sizes, sizes)
def test_frontier_goes_on_after_a_restart(first: int, second: int) -> None:
    """A frontier written and read back grows into the same tree."""
    leaves = numbered(first + second)
    before = Frontier()
    before.extend(leaves[:first])
    after = Frontier.from_bytes(before.size, before.to_bytes())
    after.extend(leaves[first:])
    assert (after.size, after.root()) == (first + second, naive_root(leaves))


@pytest.mark.parametrize("size, data", [(1, b""), (0, bytes(32)), (3, bytes(32)), (1, bytes(31)), (-1, b"")])
def test_frontier_of_another_size_is_refused(size: int, data: bytes) -> None:
    """Hashes that do not fit the size are not taken for a frontier."""
    with pytest.raises(ValueError, match="a hash of 32 octets for each bit"):
        Frontier.from_bytes(size, data)


def test_stored_subtrees_appear_as_they_become_complete() -> None:
    """Appending hands out each subtree of 2**8 and 2**16 leaves once, and proofs can be made of those."""
    leaves = numbered((1 << 16) + 300)
    frontier = Frontier()
    completed = frontier.extend(leaves)
    eights = [root_of(leaves[start : start + 256]) for start in range(0, len(leaves) - 255, 256)]
    sixteen = root_of(leaves[: 1 << 16])
    assert sorted(completed, key=lambda node: (node.level, node.index)) == [
        *(Node(8, index, item) for index, item in enumerate(eights)),
        Node(16, 0, sixteen),
    ]

    reads: list[tuple[int, int]] = []

    def read(level: int, start: int, stop: int) -> Sequence[bytes]:
        reads.append((level, stop - start))
        return {0: leaves, 8: eights, 16: [sixteen]}[level][start:stop]

    size = len(leaves)
    for index in (0, 255, 256, 40_000, 1 << 16, size - 1):
        path = inclusion_path(index, size, subtrees_from(read))
        verify_inclusion(leaves[index], index, size, path, frontier.root())
    for size1 in (1, 256, 257, 40_000, 1 << 16, size - 1):
        path = consistency_path(size1, size, subtrees_from(read))
        verify_consistency(size1, root_of(leaves[:size1]), size, frontier.root(), path)
    assert {level for level, _ in reads} <= {0, *STORED_LEVELS}
    assert max(count for _, count in reads) <= 128
