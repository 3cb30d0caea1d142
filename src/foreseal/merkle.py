"""Merkle trees of RFC 6962: hashes, roots, inclusion and consistency proofs. Pure functions over bytes.

A leaf is ``SHA-256(0x00 || data)`` and a node ``SHA-256(0x01 || left || right)``; a tree of ``n`` leaves
splits at the largest power of two below ``n``; the empty tree is ``SHA-256("")`` (RFC 6962, section 2.1).

Proofs are made from a *hash reader*: ``read(level, index)`` returns the root of the complete subtree over the
leaves ``index * 2**level`` up to ``(index + 1) * 2**level``. Whoever stores the tree decides how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from foreseal.errors import Malformed, Tampered, UsageError

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

HashReader = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an interior node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: enough to append and to give the root, in O(log n) memory.

    ``peaks`` are the roots of the complete subtrees that make up the tree, largest first: one per set bit of
    ``size``.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if size < 0 or len(self.peaks) != size.bit_count():
            raise UsageError(f"a tree of {size} leaves has no frontier of {len(self.peaks)} hashes.")

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        peaks, size = self.peaks, self.size
        while size & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Root of the tree so far."""
        return fold(self.peaks)


class Tree:
    """A growing tree that keeps every hash in memory; ``read`` is a hash reader for proofs."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash. The hashes above it are computed when they are first asked for."""
        self._levels[0].append(leaf)

    def read(self, level: int, index: int) -> bytes:
        """Root of the complete subtree of ``2**level`` leaves at ``index``."""
        levels = self._levels
        if level >= len(levels) or index >= len(levels[level]):
            self._fill()
        return levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves (all of them, if not given)."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise UsageError(f"there is no root of {size} in a tree of {self.size} leaves.")
        return subtree_root(0, size, self.read)

    def _fill(self) -> None:
        levels, level = self._levels, 0
        while len(levels[level]) > 1:
            row = levels[level]
            level += 1
            if level == len(levels):
                levels.append([])
            above = levels[level]
            pairs = range(2 * len(above), len(row) - 1, 2)
            above.extend([sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in pairs])


def fold(peaks: Sequence[bytes]) -> bytes:
    """Root over the complete subtrees of a tree, given largest (leftmost) first."""
    if not peaks:
        return EMPTY_ROOT
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result


def root(leaves: Iterable[bytes]) -> bytes:
    """Root of a tree given by its leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def subtree_root(start: int, end: int, read: HashReader) -> bytes:
    """Root over the leaves ``start..end-1``, which must be a subtree of an RFC 6962 tree."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(read(level, start >> level))
        start += 1 << level
    return fold(peaks)


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """Sibling hashes from the leaf up that prove leaf ``index`` in the tree of ``size`` leaves."""
    if not 0 <= index < size:
        raise UsageError(f"there is no leaf {index} in a tree of {size} leaves.")
    proof, level, last = [], 0, size - 1
    while last:
        sibling = index ^ 1
        if sibling < last:
            proof.append(read(level, sibling))
        elif sibling == last:
            proof.append(subtree_root(sibling << level, size, read))
        index, last, level = index >> 1, last >> 1, level + 1
    return proof


def consistency_proof(old: int, new: int, read: HashReader) -> list[bytes]:
    """Hashes that prove the tree of ``old`` leaves a prefix of the tree of ``new`` (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise UsageError(f"there is no consistency proof from {old} to {new} leaves.")
    proof = []
    start, end = 0, new
    # The old root itself is left out where it is a node of the new tree: the verifier has it.
    known = True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(subtree_root(middle, end, read))
            end = middle
        else:
            proof.append(subtree_root(start, middle, read))
            start, known = middle, False
    if not known:
        proof.append(subtree_root(start, end, read))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf hash ``leaf`` is at ``index`` in the tree with this size and root.

    Raises `Malformed` for a proof of impossible shape and `Tampered` for one that leads to another root.
    """
    if leads_to(leaf, index, size, proof) != root:
        raise Tampered(f"the inclusion proof of leaf {index} does not lead to the root of size {size}.")


def leads_to(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Malformed(f"there is no leaf {index} in a tree of {size} leaves.")
    _check_hashes((leaf, *proof))
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise Malformed(f"the inclusion proof of leaf {index} in a tree of {size} leaves is too long.")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Malformed(f"the inclusion proof of leaf {index} in a tree of {size} leaves is too short.")
    return result


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree ``(old, old_root)`` is a prefix of ``(new, new_root)`` (RFC 9162, 2.1.4.2).

    Size 0 is refused: everything is consistent with the empty tree, so a proof from it says nothing.
    """
    if not 0 < old <= new:
        raise Malformed(f"there is no consistency proof from {old} to {new} leaves.")
    if old == new:
        if proof:
            raise Malformed("a consistency proof between equal sizes must be empty.")
        if old_root != new_root:
            raise Tampered(f"two different roots are claimed for {old} leaves.")
        return
    _check_hashes((old_root, new_root, *proof))
    # Where old is a power of two its root is itself the first hash of the path.
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path or not proof:
        raise Malformed(f"the consistency proof from {old} to {new} leaves is too short.")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise Malformed(f"the consistency proof from {old} to {new} leaves is too long.")
        if fn & 1 or fn == sn:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            after = node_hash(after, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Malformed(f"the consistency proof from {old} to {new} leaves is too short.")
    if before != old_root or after != new_root:
        raise Tampered(f"the tree of {new} leaves does not extend the tree of {old} leaves.")


def _split(size: int) -> int:
    """Largest power of two below ``size`` (which is at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise Malformed(f"a hash is not {HASH_SIZE} bytes.")
