# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title Anchor
@license Apache-2.0
@notice Checkpoints of transparency logs (RFC 6962): of each log the root of every size that it has anchored.

A log is named by the SHA-256 of its origin. Whoever claims a name first owns it, for good, and only the owner
anchors under it. A size that does not grow is refused. A log that was claimed as *proven* has to show with
each checkpoint that its tree extends the one before (RFC 9162, 2.1.4.2), and so cannot anchor a fork.
When a checkpoint was anchored is the time of the first block whose state holds its root.
"""

event Claimed:
    origin: indexed(bytes32)
    owner: indexed(address)
    proven: bool


event Anchored:
    origin: indexed(bytes32)
    size: uint64
    root: bytes32


# The path in a tree of 2^64 leaves.
MAX_PROOF: constant(uint256) = 64

# The newest size in bits 0 to 63, whether proofs are asked for in bit 64, the owner from bit 96 on. One slot,
# for a second one costs as much as a tenth of the transaction.
heads: HashMap[bytes32, uint256]
roots: HashMap[bytes32, HashMap[uint256, bytes32]]


@external
def claim(origin: bytes32, proven: bool):
    """
    @notice Own a name that nobody owns yet.
    @param origin SHA-256 of the log's origin.
    @param proven Whether each later checkpoint has to be proved to extend the one before; for good.
    """
    assert self.heads[origin] == 0, "claimed already"
    self.heads[origin] = (convert(msg.sender, uint256) << 96) | (convert(proven, uint256) << 64)
    log Claimed(origin=origin, owner=msg.sender, proven=proven)


@external
def anchor(origin: bytes32, size: uint64, root: bytes32, proof: DynArray[bytes32, MAX_PROOF]):
    """
    @notice Keep the root of a size that is larger than any before.
    @param proof The consistency proof from the size anchored before; empty for the first one, and for a log
        that was not claimed as proven.
    """
    head: uint256 = self.heads[origin]
    assert head >> 96 == convert(msg.sender, uint256), "not the owner"
    old: uint256 = head & convert(max_value(uint64), uint256)
    new: uint256 = convert(size, uint256)
    assert new > old, "size does not grow"
    assert root != empty(bytes32), "no root"
    if (head >> 64) & 1 == 1 and old > 0:
        assert self._extends(old, new, self.roots[origin][old], root, proof), "not an extension"
    else:
        assert len(proof) == 0, "no proof expected"
    self.heads[origin] = head - old + new
    self.roots[origin][new] = root
    log Anchored(origin=origin, size=size, root=root)


@external
@view
def head_of(origin: bytes32) -> (address, bool, uint64):
    """
    @notice Who owns a name (nobody: zero), whether its checkpoints are proven, and the newest size.
    """
    head: uint256 = self.heads[origin]
    return (
        convert(head >> 96, address),
        (head >> 64) & 1 == 1,
        convert(head & convert(max_value(uint64), uint256), uint64),
    )


@external
@view
def root_of(origin: bytes32, size: uint64) -> bytes32:
    """
    @notice The root that was anchored for a size, or zero.
    """
    return self.roots[origin][convert(size, uint256)]


@external
@pure
def extends(
    old: uint64, new: uint64, old_root: bytes32, new_root: bytes32, proof: DynArray[bytes32, MAX_PROOF]
) -> bool:
    """
    @notice Whether a consistency proof holds between two trees; false for equal sizes and for size zero.
    """
    if old == 0 or new <= old:
        return False
    return self._extends(convert(old, uint256), convert(new, uint256), old_root, new_root, proof)


@internal
@pure
def _extends(
    old: uint256, new: uint256, old_root: bytes32, new_root: bytes32, proof: DynArray[bytes32, MAX_PROOF]
) -> bool:
    """
    @dev RFC 9162, 2.1.4.2, for 0 < old < new.
    """
    first: uint256 = old - 1
    last: uint256 = new - 1
    for i: uint256 in range(64):
        if first & 1 == 0:
            break
        first = first >> 1
        last = last >> 1
    before: bytes32 = old_root
    after: bytes32 = old_root
    # Where the old size is a power of two its root is a node of the new tree, and no part of the proof.
    started: bool = first == 0
    for sibling: bytes32 in proof:
        if not started:
            before = sibling
            after = sibling
            started = True
            continue
        if last == 0:
            return False
        if first & 1 == 1 or first == last:
            before = sha256(concat(b"\x01", sibling, before))
            after = sha256(concat(b"\x01", sibling, after))
            for i: uint256 in range(64):
                if first & 1 == 1 or first == 0:
                    break
                first = first >> 1
                last = last >> 1
        else:
            after = sha256(concat(b"\x01", after, sibling))
        first = first >> 1
        last = last >> 1
    return last == 0 and before == old_root and after == new_root
