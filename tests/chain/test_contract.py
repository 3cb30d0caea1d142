"""The contract against our verifier, in an EVM: what one takes for an extension the other does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from chains import started
from contracts.build import ARTIFACT, SOURCE, compiled, printed

from foreseal.chain import contract
from foreseal.errors import ProofError
from foreseal.merkle import Tree, consistency_proof, leaf_hash, node_hash, subtree_root, verify_consistency
from tests.conftest import require

OWNER, STRANGER = "0x" + "11" * 20, "0x" + "22" * 20
ORIGIN = "example.com/log"
LARGEST = 2**64 - 1

Verdict = Callable[[int, int, Sequence[bytes], bytes, bytes], bool]


class Evm:
    """The contract in an EVM of this process. ``call`` raises `RuntimeError` with the reason of a revert."""

    def __init__(self) -> None:
        from pyrevm import EVM

        self.evm = EVM()
        for account in (OWNER, STRANGER):
            self.evm.set_balance(account, 10**20)
        self.address = self.evm.deploy(OWNER, contract.bytecode())

    def call(self, data: bytes, by: str = OWNER) -> bytes:
        try:
            return bytes(self.evm.message_call(by, self.address, calldata=data))
        except RuntimeError as error:
            found = bytes.fromhex(re.search("output: 0x([0-9a-f]+)", str(error))[1])
            # Error(string): selector, offset, length, text.
            length = int.from_bytes(found[36:68], "big")
            raise RuntimeError(found[68 : 68 + length].decode()) from None

    def extends(self, old: int, new: int, proof: Sequence[bytes], before: bytes, after: bytes) -> bool:
        data = contract._call("extends", (old, new, before, after, list(proof)))
        return self.call(data) == (1).to_bytes(32, "big")


@pytest.fixture(scope="module")
def evm() -> Evm:
    require("web3", 'pip install "foreseal[chain]"')
    require("pyrevm", "pip install pyrevm")
    return Evm()


@pytest.fixture
def fresh(evm: Evm) -> Evm:
    """The same EVM with a new contract."""
    evm.address = evm.evm.deploy(OWNER, contract.bytecode())
    return evm


def ours(old: int, new: int, proof: Sequence[bytes], before: bytes, after: bytes) -> bool:
    """What our verifier says; equal sizes are nothing that the contract is asked about."""
    try:
        verify_consistency(old, new, proof, before, after)
    except ProofError:
        return False
    return old < new


def flipped(value: bytes, bit: int) -> bytes:
    return bytes([*value[:-1], value[-1] ^ (1 << bit)])


def damaged(proof: list[bytes]) -> list[list[bytes]]:
    """Every element changed, left out and doubled; neighbours swapped; something before and behind."""
    found = [[*proof[:at], flipped(each, at % 8), *proof[at + 1 :]] for at, each in enumerate(proof)]
    found += [proof[:at] + proof[at + 1 :] for at in range(len(proof))]
    found += [proof[: at + 1] + proof[at:] for at in range(len(proof))]
    found += [[*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]] for at in range(len(proof) - 1)]
    return [*found, [*proof, bytes(32)], [bytes(32), *proof]]


def test_the_bytecode_that_is_shipped_is_what_the_source_compiles_to() -> None:
    require("vyper", "pip install vyper==0.4.3")
    assert ARTIFACT.read_text(encoding="utf-8") == printed(compiled())
    assert Path(contract.__file__).parents[3] / "contracts" / "Anchor.vy" == SOURCE


def test_every_pair_of_small_trees_is_judged_as_our_verifier_judges_it(evm: Evm) -> None:
    tree = Tree(leaf_hash(b"%d" % number) for number in range(17))
    roots = [tree.root(size) for size in range(18)]
    judged = accepted = 0
    for new in range(18):
        for old in range(18):
            proof = consistency_proof(old, new, tree.read) if 0 < old < new else []
            for each in [proof, *damaged(proof)]:
                says = ours(old, new, each, roots[old], roots[new])
                assert evm.extends(old, new, each, roots[old], roots[new]) == says, (old, new, each)
                judged, accepted = judged + 1, accepted + says
            if 0 < old < new:
                assert not evm.extends(old, new, proof, flipped(roots[old], 0), roots[new])
                assert not evm.extends(old, new, proof, roots[old], flipped(roots[new], 0))
                for sizes in ((old - 1, new), (old + 1, new), (old, new - 1), (old, new + 1)):
                    says = ours(*sizes, proof, roots[old], roots[new])
                    assert evm.extends(*sizes, proof, roots[old], roots[new]) == says
    assert accepted == 17 * 16 / 2
    assert judged > 2000


def test_random_trees_of_any_size_are_judged_as_our_verifier_judges_them(evm: Evm) -> None:
    # All leaves are equal, so the subtrees of a level are, and no tree is too large to compute.
    levels = [leaf_hash(b"same")]
    for _ in range(64):
        levels.append(node_hash(levels[-1], levels[-1]))

    def read(level: int, index: int) -> bytes:
        return levels[level]

    random_ = random.Random(6)
    accepted = 0
    for _ in range(150):
        new = random_.randrange(2, 2 ** random_.randrange(2, 65))
        old = min(
            random_.choice((1, new // 2, new - 1, random_.randrange(1, new), 1 << (new.bit_length() - 2))),
            new - 1,
        )
        before, after = subtree_root(0, old, read), subtree_root(0, new, read)
        proof = consistency_proof(old, new, read)
        worse = random_.sample(damaged(proof), 3) if old < new else []
        for each in (proof, *worse):
            says = ours(old, new, each, before, after)
            assert evm.extends(old, new, each, before, after) == says, (old, new)
            accepted += says
    assert accepted >= 150


def test_size_zero_and_sizes_that_do_not_grow_extend_nothing(evm: Evm) -> None:
    root = sha256(b"root").digest()
    for old, new in ((0, 0), (0, 1), (1, 1), (2, 1), (LARGEST, LARGEST)):
        assert not evm.extends(old, new, [], root, root)


def test_a_claimed_name_keeps_owner_and_promise_and_every_root(fresh: Evm) -> None:
    tree = Tree(leaf_hash(b"%d" % number) for number in range(40))
    assert not contract.read_head(fresh.call(contract.head_call(ORIGIN))).claimed
    fresh.call(contract.claim_call(ORIGIN, proven=True))
    before = 0
    for size in (3, 4, 9, 32, 33, 40):
        proof = consistency_proof(before, size, tree.read) if before else []
        fresh.call(contract.anchor_call(ORIGIN, size, tree.root(size), proof))
        before = size
    assert contract.read_head(fresh.call(contract.head_call(ORIGIN))) == contract.Head(OWNER, True, 40)
    for size in range(41):
        held = fresh.call(contract.root_call(ORIGIN, size))
        assert held == (tree.root(size) if size in (3, 4, 9, 32, 33, 40) else bytes(32))
        slot = int.from_bytes(contract.root_slot(ORIGIN, size), "big")
        assert fresh.evm.storage(fresh.address, slot).to_bytes(32, "big") == held


@pytest.mark.parametrize("proven", [True, False])
def test_what_the_contract_refuses_changes_nothing(fresh: Evm, *, proven: bool) -> None:
    tree, other = (Tree(leaf_hash(b"%s %d" % (who, n)) for n in range(20)) for who in (b"a", b"b"))
    anchor = contract.anchor_call

    def refused(why: str, data: bytes, by: str = OWNER) -> None:
        with pytest.raises(RuntimeError, match=why):
            fresh.call(data, by)

    refused("not the owner", anchor(ORIGIN, 5, tree.root(5), []))
    fresh.call(contract.claim_call(ORIGIN, proven=proven))
    refused("claimed already", contract.claim_call(ORIGIN, proven=proven))
    refused("claimed already", contract.claim_call(ORIGIN, proven=proven), STRANGER)
    refused("size does not grow", anchor(ORIGIN, 0, tree.root(0), []))
    refused("no root", anchor(ORIGIN, 5, bytes(32), []))
    refused("no proof expected", anchor(ORIGIN, 5, tree.root(5), [tree.root(1)]))
    fresh.call(anchor(ORIGIN, 5, tree.root(5), []))
    proof = consistency_proof(5, 20, tree.read)
    refused("not the owner", anchor(ORIGIN, 20, tree.root(20), proof), STRANGER)
    for size in (1, 4, 5):
        refused("size does not grow", anchor(ORIGIN, size, tree.root(size), []))
    if proven:
        refused("not an extension", anchor(ORIGIN, 20, tree.root(20), []))
        refused("not an extension", anchor(ORIGIN, 20, other.root(20), proof))
        refused("not an extension", anchor(ORIGIN, 20, other.root(20), consistency_proof(5, 20, other.read)))
    else:
        refused("no proof expected", anchor(ORIGIN, 20, tree.root(20), proof))
    assert contract.read_head(fresh.call(contract.head_call(ORIGIN))) == contract.Head(OWNER, proven, 5)
    fresh.call(anchor(ORIGIN, 20, tree.root(20), proof if proven else []))
    assert fresh.call(contract.root_call(ORIGIN, 20)) == tree.root(20)


def test_the_largest_size_leaves_the_owner_alone(fresh: Evm) -> None:
    fresh.call(contract.claim_call(ORIGIN, proven=False))
    fresh.call(contract.anchor_call(ORIGIN, LARGEST, sha256(b"x").digest(), []))
    assert contract.read_head(fresh.call(contract.head_call(ORIGIN))) == contract.Head(OWNER, False, LARGEST)


def test_an_anchor_costs_no_more_gas_than_promised(tmp_path: Path) -> None:
    from bench.chain import LIMITS, gas_table

    require("web3", 'pip install "foreseal[chain]"')
    with started() as anvil:
        rows = {each["operation"]: each for each in gas_table(anvil, tmp_path, pairs=2)}
    assert {name: row["limit"] for name, row in rows.items() if row["limit"]} == LIMITS
    for name, limit in LIMITS.items():
        assert 40_000 < rows[name]["gas"] <= limit
