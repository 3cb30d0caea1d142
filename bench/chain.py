"""What the contract costs: gas of whole transactions, as a node charges it, beside the aims.

    python -m bench.chain [--json]

Needs the extra ``chain`` and the program anvil. A proof's cost depends on both sizes, so the dearest of some
hundred pairs of sizes up to 2^20 is looked for, and the case with the most hashes is among them. Gas does not
depend on the machine. ``limit`` is an aim; where one is missed the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from foreseal.chain import contract
from foreseal.chain.account import load_account, make_account
from foreseal.chain.deploy import wait_for
from foreseal.chain.node import quantity
from foreseal.chain.transaction import send
from foreseal.merkle import consistency_proof, leaf_hash, node_hash, subtree_root
from foreseal.run.anvil import CHAIN_ID, Anvil, local_chain

Row = dict[str, Any]

MAX_FEE = 10**12
LARGE = 2**20
LIMITS = {"anchor, no proof, a later one": 61_000, "anchor, proof, up to 2^20, the dearest": 110_000}


class Tree:
    """A tree of equal leaves, of any size: the subtrees of a level are equal, too."""

    def __init__(self) -> None:
        self.levels = [leaf_hash(b"same")]
        for _ in range(40):
            self.levels.append(node_hash(self.levels[-1], self.levels[-1]))

    def read(self, level: int, index: int) -> bytes:
        return self.levels[level]

    def root(self, size: int) -> bytes:
        return subtree_root(0, size, self.read)

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, self.read)


class Costs:
    """Transactions of one account on a local chain, and what each cost."""

    def __init__(self, anvil: Anvil, folder: Path) -> None:
        key = folder / "account.pem"
        anvil.fund(make_account(key))
        self.node, self.account, self.tree = anvil.node, load_account(key), Tree()
        self.deployed, self.contract = self._spent("", contract.bytecode())
        self.logs = 0

    def claim(self, *, proven: bool) -> tuple[str, int]:
        """A new log, and what claiming its name cost."""
        self.logs += 1
        origin = f"bench.example/log/{self.logs}"
        return origin, self._spent(self.contract, contract.claim_call(origin, proven=proven))[0]

    def anchor(self, origin: str, size: int, old: int = 0) -> int:
        """Anchor a size, with the proof from ``old`` unless that is 0."""
        proof = self.tree.proof(old, size) if old else []
        call = contract.anchor_call(origin, size, self.tree.root(size), proof)
        return self._spent(self.contract, call)[0]

    def proven(self, old: int, new: int) -> int:
        """The cost of anchoring ``new`` after ``old`` with its proof."""
        origin, _ = self.claim(proven=True)
        self.anchor(origin, old)
        return self.anchor(origin, new, old)

    def _spent(self, to: str, data: bytes) -> tuple[int, str]:
        sent = send(self.node, self.account, to, data, CHAIN_ID, MAX_FEE)
        receipt = wait_for(self.node, sent, 10)
        return quantity(receipt["gasUsed"]), str(receipt["contractAddress"])


def gas_table(anvil: Anvil, folder: Path, pairs: int = 40) -> list[Row]:
    """One row for each operation: its gas, and the limit where there is one."""
    costs = Costs(anvil, folder)
    plain, claimed = costs.claim(proven=False)
    rows = [("deploy", costs.deployed), ("claim a name", claimed)]
    rows += [("anchor, no proof, the first", costs.anchor(plain, 100))]
    rows += [("anchor, no proof, a later one", max(costs.anchor(plain, n) for n in (2**16 - 1, LARGE - 1)))]
    for size in (2**7, 2**14):
        rows.append((f"anchor, proof, {size - 1} to {size}", costs.proven(size - 1, size)))
    rows.append((f"anchor, proof, {LARGE // 2} to {LARGE}", costs.proven(LARGE // 2, LARGE)))
    dearest = max(costs.proven(old, new) for old, new in _pairs(pairs))
    rows.append(("anchor, proof, up to 2^20, the dearest", dearest))
    return [{"operation": name, "gas": gas, "limit": LIMITS.get(name)} for name, gas in rows]


def _pairs(count: int) -> list[tuple[int, int]]:
    draw = random.Random(20)
    odd = [(LARGE - 1, LARGE), (LARGE // 2 - 1, LARGE), (LARGE // 2 + 1, LARGE), (LARGE - 3, LARGE - 1)]
    new = [draw.randrange(LARGE // 2, LARGE + 1) for _ in range(count)]
    return [*odd, *((draw.randrange(1, each) | 1, each) for each in new)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_chain() as anvil:
        rows = gas_table(anvil, Path(folder), pairs=300)
    for each in rows:
        if options.json:
            print(json.dumps(each))
        else:
            limit = f"  (at most {each['limit']:,})" if each["limit"] else ""
            print(f"{each['operation']:<42}{each['gas']:>10,}{limit}")
    return 1 if any(each["limit"] and each["gas"] > each["limit"] for each in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
