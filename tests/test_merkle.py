"""Trees agree with published vectors and with the definition of RFC 6962 written out literally."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal import merkle
from foreseal.errors import Malformed, ProofError, Tampered, UsageError

LEAVES = [merkle.leaf_hash(str(i).encode()) for i in range(130)]


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]), word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


def read(level: int, index: int) -> bytes:
    return defined_root(LEAVES[index << level : (index + 1) << level])


ROOTS = [defined_root(LEAVES[:n]) for n in range(len(LEAVES) + 1)]


def test_hashes_are_those_of_the_reference_implementation() -> None:
    assert merkle.EMPTY_ROOT.hex().startswith("e3b0c44298fc1c14")
    leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"").hex() == leaf
    leaf = "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert merkle.leaf_hash(b"L123456").hex() == leaf
    node = merkle.node_hash(b"N123", b"N456").hex()
    assert node.startswith("aa217fe8")
    assert node.endswith("e66bbb")


def vectors(shared: Path, name: str) -> list[dict[str, object]]:
    cases = json.loads((shared / "ledger" / f"merkle_{name}.json").read_text())
    assert len(cases) == 98
    return cases


def unbase64(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or ()]


def test_published_inclusion_vectors_hold(shared: Path) -> None:
    for case in vectors(shared, "inclusion"):
        leaf, root = unbase64([case["leafHash"], case["root"]])
        arguments = leaf, case["leafIdx"], case["treeSize"], unbase64(case["proof"]), root
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.verify_inclusion(*arguments)
        else:
            merkle.verify_inclusion(*arguments)


def test_published_consistency_vectors_hold(shared: Path) -> None:
    for case in vectors(shared, "consistency"):
        old, new = unbase64([case["root1"], case["root2"]])
        arguments = case["size1"], case["size2"], unbase64(case["proof"]), old, new
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.verify_consistency(*arguments)
        else:
            merkle.verify_consistency(*arguments)


def test_every_root_up_to_130_leaves_is_the_defined_one() -> None:
    frontier = merkle.Frontier()
    for n, leaf in enumerate(LEAVES):
        assert frontier.root() == ROOTS[n] == merkle.root(LEAVES[:n])
        frontier.append(leaf)
        assert merkle.Frontier(frontier.size, frontier.peaks).root() == ROOTS[n + 1]


def test_a_tree_in_memory_has_the_defined_hashes_and_every_earlier_root() -> None:
    tree = merkle.Tree()
    for n, leaf in enumerate(LEAVES):
        assert tree.root() == ROOTS[n]
        tree.append(leaf)
    assert [tree.root(n) for n in range(131)] == ROOTS
    assert all(tree.read(at, i) == read(at, i) for at in range(8) for i in range(130 >> at))
    assert merkle.Tree(LEAVES).root() == ROOTS[130]
    for size in (-1, 131):
        with pytest.raises(UsageError):
            tree.root(size)


def test_every_leaf_of_every_tree_up_to_130_leaves_is_proved_and_found_nowhere_else() -> None:
    cache = {(level, i): read(level, i) for level in range(8) for i in range(130 >> level)}
    for size in range(1, 131):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, lambda *at: cache[at])
            merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
            if size > 1:
                with pytest.raises(ProofError):
                    merkle.verify_inclusion(LEAVES[index], (index + 1) % size, size, proof, ROOTS[size])
            with pytest.raises(ProofError):
                merkle.verify_inclusion(LEAVES[index], index, size, [*proof, LEAVES[0]], ROOTS[size])
            if proof:
                with pytest.raises(ProofError):
                    merkle.verify_inclusion(LEAVES[index], index, size, proof[:-1], ROOTS[size])


def test_every_pair_of_trees_up_to_130_leaves_is_consistent_and_with_no_other_root() -> None:
    cache = {(level, i): read(level, i) for level in range(8) for i in range(130 >> level)}
    for new in range(1, 131):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, lambda *at: cache[at])
            merkle.verify_consistency(old, new, proof, ROOTS[old], ROOTS[new])
            with pytest.raises(Tampered):
                merkle.verify_consistency(old, new, proof, ROOTS[old], ROOTS[new - 1])
            with pytest.raises(Tampered):
                merkle.verify_consistency(old, new, proof, ROOTS[old - 1], ROOTS[new])
            with pytest.raises(Malformed):
                merkle.verify_consistency(old, new, [*proof, LEAVES[0]], ROOTS[old], ROOTS[new])
            if proof:
                with pytest.raises(ProofError):
                    merkle.verify_consistency(old, new, proof[:-1], ROOTS[old], ROOTS[new])


@settings(deadline=None)
@given(st.data())
def test_a_proof_with_any_bit_changed_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 130))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, read)
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    changed = (int.from_bytes(proof[at], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(Tampered):
        merkle.verify_inclusion(
            LEAVES[index], index, size, [*proof[:at], changed, *proof[at + 1 :]], ROOTS[size]
        )


def test_a_proof_from_the_empty_tree_is_refused_because_it_says_nothing() -> None:
    with pytest.raises(Malformed):
        merkle.verify_consistency(0, 3, [], merkle.EMPTY_ROOT, ROOTS[3])
    with pytest.raises(UsageError):
        merkle.consistency_proof(0, 3, read)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(UsageError):
        merkle.inclusion_proof(index, size, read)
    with pytest.raises(Malformed):
        merkle.verify_inclusion(LEAVES[0], index, size, [], ROOTS[3])


def test_a_frontier_must_fit_its_size() -> None:
    with pytest.raises(UsageError):
        merkle.Frontier(3, [LEAVES[0]])
